package train

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/sluicehq/sluice/internal/model"
)

// WriteReport prints how well each head does: a line for each set of posts, and
// the confusion at the threshold.
func WriteReport(w io.Writer, card *model.Card, results [][]*Result) error {
	for h := range card.Heads {
		head := &card.Heads[h]
		fmt.Fprintf(w, "\nhead %s, threshold %.4f (%s)\n", head.Name, head.Threshold, head.Chosen)
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(t, "posts\tpositive\tmacro-F1\tAUC\tavg. precision\tcalibration error\tprecision\trecall\tfalse positives\tright, missed / false, right not\t  on\t")
		for _, r := range results[h] {
			c := &r.Confusion
			ranked := func(v float64) string {
				if r.Positive == 0 || r.Positive == r.Posts {
					return "-"
				}
				return fmt.Sprintf("%.4f", v)
			}
			fmt.Fprintf(t, "%d\t%d\t%s\t%s\t%s\t%.4f\t%s\t%s\t%.5f\t%d, %d / %d, %d\t  %s\t\n", r.Posts, r.Positive, ranked(r.MacroF1()), ranked(r.AUC), ranked(r.AvgPrec),
				r.ECE, ranked(r.Precision()), ranked(r.Recall()), r.FalsePositives(), c[1][1], c[1][0], c[0][1], c[0][0], r.On)
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// WriteCard prints what a model says of itself.
func WriteCard(w io.Writer, m *model.Model) {
	c := m.Card()
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(w, "%-13s %s\n", name, text)
		}
	}
	line("model", fmt.Sprintf("%s, version %d", c.Name, c.Version))
	line("checksum", m.Sum())
	line("date", c.Date)
	line("about", c.Description)
	line("use", c.Use)
	for _, l := range c.Limits {
		line("limit", l)
	}
	for _, b := range c.Biases {
		line("bias", b)
	}
	line("licence", c.Licence)
	f := &c.Features
	line("features", fmt.Sprintf("runs of up to %d tokens and pieces of %d to %d characters of the %s view, in %d buckets", f.Words, f.PieceMin, f.PieceMax, f.View, 1<<f.Bits))
	for _, d := range c.Data {
		line("data", strings.TrimSuffix(fmt.Sprintf("%s: %d posts, %s, used for: %s, %s", d.Name, d.Posts, d.Licence, d.Role, d.Source), ", "))
	}
	for i := range c.Heads {
		h := &c.Heads[i]
		line("head", fmt.Sprintf("%s, threshold %.4f (%s) %s", h.Name, h.Threshold, h.Chosen, h.Description))
		for _, r := range h.Measures {
			fmt.Fprintf(w, "%-13s   on %s: %d posts, %d positive, macro-F1 %.4f, AUC %.4f, calibration error %.4f, precision %.4f, recall %.4f, false positives %.5f\n",
				"", r.On, r.Posts, r.Positive, r.MacroF1, r.AUC, r.ECE, r.Precision, r.Recall, r.FalsePos)
		}
	}
}

// The picture's measures, in pixels.
const (
	side   = 260 // of a diagram
	margin = 60
	cellX  = side + 2*margin
	cellY  = side + 2*margin
)

// WritePicture draws, for each head and each set of posts of both classes, the
// curve of precision over recall and the diagram of reliability, as SVG.
func WritePicture(w io.Writer, card *model.Card, results [][]*Result) error {
	var b strings.Builder
	rows := 0
	for h := range card.Heads {
		for _, r := range results[h] {
			if r.Positive > 0 && r.Positive < r.Posts {
				drawRow(&b, rows*cellY, card.Heads[h].Name, r)
				rows++
			}
		}
	}
	_, err := fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">
<rect width="100%%" height="100%%" fill="white"/>
%s</svg>
`, 2*cellX, max(rows, 1)*cellY, b.String())
	return err
}

func drawRow(b *strings.Builder, top int, head string, r *Result) {
	title := fmt.Sprintf("%s on %s", head, r.On)
	frame(b, 0, top, title+fmt.Sprintf(": average precision %.3f", r.AvgPrec), "recall", "precision")
	var path strings.Builder
	step := max(len(r.Curve)/400, 1)
	for i := 0; i < len(r.Curve); i += step {
		p := r.Curve[i]
		fmt.Fprintf(&path, "%.1f,%.1f ", x(0, p.Recall), y(top, p.Precision))
	}
	fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="#1f5fa8" stroke-width="1.5"/>`+"\n", strings.TrimSpace(path.String()))
	// The label stays within the frame: below the curve, which falls to the right.
	fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="4" fill="#c0392b"/><text x="%.1f" y="%.1f" text-anchor="end">threshold %.3f</text>`+"\n",
		x(0, r.Recall()), y(top, r.Precision()), max(x(0, r.Recall())-7, x(0, 0.4)), y(top, r.Precision())+15, r.Threshold)

	frame(b, cellX, top, fmt.Sprintf("calibration error %.3f of %d posts", r.ECE, r.Posts), "mean probability", "share positive")
	fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#999" stroke-dasharray="4"/>`+"\n", x(cellX, 0), y(top, 0), x(cellX, 1), y(top, 1))
	for _, bin := range r.Bins {
		if bin.Posts > 0 {
			size := 2 + 10*float64(bin.Posts)/float64(r.Posts)
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="%.1f" fill="#1f5fa8" fill-opacity="0.7"/>`+"\n", x(cellX, bin.Mean), y(top, bin.Share), size)
		}
	}
}

// frame draws axes from 0 to 1.
func frame(b *strings.Builder, left, top int, title, across, up string) {
	fmt.Fprintf(b, `<text x="%d" y="%d" font-weight="bold">%s</text>`+"\n", left+margin, top+margin-12, escape(title))
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%d" height="%d" fill="none" stroke="#444"/>`+"\n", left+margin, top+margin, side, side)
	for i := 0; i <= 4; i++ {
		v := float64(i) / 4
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%.2f</text><text x="%d" y="%.1f" text-anchor="end">%.2f</text>`+"\n",
			x(left, v), top+margin+side+14, v, left+margin-5, y(top, v)+4, v)
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", left+margin+side/2, top+margin+side+30, across)
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle" transform="rotate(-90 %d %d)">%s</text>`+"\n",
		left+16, top+margin+side/2, left+16, top+margin+side/2, up)
}

func x(left int, v float64) float64 { return float64(left+margin) + v*side }
func y(top int, v float64) float64  { return float64(top+margin) + (1-v)*side }

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
