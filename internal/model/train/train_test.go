package train

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/model"
)

// TestArithmetic holds the portable functions against the library's.
func TestArithmetic(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 100_000 {
		x := (r.Float64() - 0.5) * 80
		if got, want := exponential(x), math.Exp(x); math.Abs(got-want) > 1e-12*want {
			t.Fatalf("exp(%v) = %v, want %v", x, got, want)
		}
		if got, want := logarithm(math.Exp(x)), x; math.Abs(got-want) > 1e-12*(1+math.Abs(x)) {
			t.Fatalf("log(exp(%v)) = %v", x, got)
		}
	}
	if s := sigmoid(-1e6) + 1 - sigmoid(1e6); s > 1e-300 {
		t.Errorf("the ends of sigmoid are %v off", s)
	}
}

// TestMeasure checks the figures of a small set that was worked out by hand.
func TestMeasure(t *testing.T) {
	in := []scored{{0.9, 1}, {0.8, 0}, {0.7, 1}, {0.7, 0}, {0.2, 0}, {0.1, 1}}
	r := measure("made", in, 0.7)
	if r.Confusion != [2][2]int{{1, 2}, {1, 2}} || r.Positive != 3 || r.Posts != 6 {
		t.Errorf("confusion %v of %d positive", r.Confusion, r.Positive)
	}
	near := func(name string, got, want float64) {
		if math.Abs(got-want) > 1e-9 {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	near("precision", r.Precision(), 0.5)
	near("recall", r.Recall(), 2.0/3)
	near("false positives", r.FalsePositives(), 2.0/3)
	near("F1 of 1", r.F1(1), 4.0/7)
	near("F1 of 0", r.F1(0), 2.0/5)
	near("macro-F1", r.MacroF1(), (4.0/7+2.0/5)/2)
	// Pairs of a positive and a negative post, in right order: 3 + 1.5 + 0 of 9.
	near("AUC", r.AUC, 4.5/9)
	near("average precision", r.AvgPrec, 1.0/3*1+1.0/3*0.5+1.0/3*0.5)
	// Bins by tenths: 0.9 (1 post), 0.8 (1), 0.7 (2), 0.2 (1), 0.1 (1).
	ece := (math.Abs(float64(float32(0.9))-1) + float64(float32(0.8)) + 2*math.Abs(float64(float32(0.7))-0.5) + float64(float32(0.2)) + 1 - float64(float32(0.1))) / 6
	near("calibration error", r.ECE, ece)
	if empty := measure("none", nil, 0.5); empty.MacroF1() != 0 || empty.AUC != 0 || empty.ECE != 0 {
		t.Errorf("no posts: %+v", empty)
	}
}

// TestThresholds checks each way of choosing a threshold.
func TestThresholds(t *testing.T) {
	if got := bestF1([]float32{0.9, 0.8, 0.2, 0.1}); got <= 0.2 || got > 0.8 {
		t.Errorf("classes apart: %v, want it between them", got)
	}
	if got := bestF1(nil); got != 0.5 {
		t.Errorf("no posts: %v", got)
	}
	// Labels drawn from the probabilities have their greatest macro-F1 near it.
	r := rand.New(rand.NewPCG(5, 5))
	var drawn []scored
	var all []float32
	for range 20_000 {
		p := float32(r.Float64() * r.Float64())
		drawn, all = append(drawn, scored{p, int8(b2i(r.Float32() < p))}), append(all, p)
	}
	chosen := bestF1(all)
	most := 0.0
	for p := float32(0); p < 1; p += 0.01 {
		most = max(most, measure("", drawn, p).MacroF1())
	}
	if f := measure("", drawn, chosen).MacroF1(); f < most-0.005 {
		t.Errorf("%v gives a macro-F1 of %v, some threshold %v", chosen, f, most)
	}
	var mixed []scored
	for i := range 100 {
		mixed = append(mixed, scored{float32(100-i) / 100, int8(b2i(i < 50 && i%10 != 0))})
	}
	got, ok := forPrecision(mixed, 0.9)
	if r := measure("", mixed, got); !ok || r.Precision() < 0.9 || r.Recall() < 0.9 {
		t.Errorf("precision of 0.9: %v gives %v and a recall of %v", got, r.Precision(), r.Recall())
	}
	if _, ok := forPrecision(mixed, 0.99); ok {
		t.Error("a precision that no threshold has")
	}
	var background []float32
	for i := range 1000 {
		background = append(background, float32(i)/1000)
	}
	th := forFalsePositives(background, 0.01)
	n := 0
	for _, p := range background {
		n += b2i(p >= th)
	}
	if n != 10 {
		t.Errorf("1 %% of 1000: %d are above %v", n, th)
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestPlatt checks that the fit finds the curve that labels were drawn from.
func TestPlatt(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	var x []float64
	var y []int8
	for range 50_000 {
		v := r.NormFloat64() * 3
		x = append(x, v)
		y = append(y, int8(b2i(r.Float64() < 1/(1+math.Exp(-(0.7*v-1))))))
	}
	if a, b := platt(x, y); math.Abs(a-0.7) > 0.03 || math.Abs(b+1) > 0.05 {
		t.Errorf("%v, %v, want about 0.7, -1", a, b)
	}
}

// TestQuantise checks the error that rounding makes.
func TestQuantise(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	weights, counts := make([]float32, 5000), make([]uint32, 5000)
	var all float64
	for i := range weights {
		weights[i], counts[i] = float32(r.NormFloat64()), 1+r.Uint32N(5)
		all += float64(weights[i]) * float64(weights[i])
	}
	weights[7], counts[7] = 50, 0 // one that would coarsen all others and is not met
	q, scale := quantise(weights, counts)
	var sum float64
	for i, w := range weights {
		d := float64(w) - float64(q[i])*float64(scale)
		if i != 7 {
			sum += d * d
		}
	}
	if sum > all/200 {
		t.Errorf("the error has %v of the weights' square sum", sum/all)
	}
	if q, scale := quantise(make([]float32, 4), make([]uint32, 4)); scale != 0 || q[0] != 0 {
		t.Errorf("no weights: %v, %v", q, scale)
	}
}

// madePosts returns posts of made-up words, of which some tell the class.
func madePosts(n int) []Post {
	r := rand.New(rand.NewPCG(4, uint64(n)))
	posts := make([]Post, n)
	for i := range posts {
		var words []string
		for range 5 + r.IntN(8) {
			words = append(words, fmt.Sprintf("w%d", r.IntN(300)))
		}
		y := r.IntN(3) / 2
		if r.IntN(10) > 0 {
			words = append(words, [2]string{"snow", "zorvath"}[y])
		}
		posts[i] = Post{strings.Join(words, " "), []int8{int8(y)}}
	}
	return posts
}

func madeConfig() *Config {
	c := Defaults()
	c.Name, c.Features.Bits, c.Training.Epochs = "made", 12, 4
	c.Heads = []Head{{Name: "bad"}}
	c.Inputs = []Input{{Name: "made", Path: "-", Always: map[string]int8{"bad": 0}, Licence: "CC0"}}
	return &c
}

// TestDeterministic checks that the same posts give the same bytes on any
// number of cores, and that the seed counts.
func TestDeterministic(t *testing.T) {
	posts := madePosts(2000)
	run := func(cores int, seed uint64) []byte {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
		c := madeConfig()
		c.Training.Seed = seed
		out, err := Fit(c, []*Loaded{{Input: &c.Inputs[0], Posts: posts}}, t.Logf)
		if err != nil {
			t.Fatal(err)
		}
		b, err := out.Model.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	one := run(1, 1)
	if !bytes.Equal(one, run(4, 1)) {
		t.Error("other bytes on 4 cores")
	}
	if bytes.Equal(one, run(1, 2)) {
		t.Error("the seed makes no difference")
	}
}

// TestCopiesStayTogether checks that copies that differ in case, links,
// mentions and marks of a repost are in one part, and that what is measured is not learnt from.
func TestCopiesStayTogether(t *testing.T) {
	c := madeConfig()
	var posts []Post
	for i := range 500 {
		a := fmt.Sprintf("some words w%d zorvath", i)
		posts = append(posts, Post{a, []int8{0}}, Post{"RT @other: " + strings.ToUpper(a) + "! @someone https://x.example", []int8{0}})
	}
	held := Input{Name: "held", Path: "-", Use: useMeasure, Always: map[string]int8{"bad": 0}}
	f := &fitter{c: c, in: []*Loaded{{Input: &c.Inputs[0], Posts: posts}, {Input: &held, Posts: posts[:2]}}, from: []int{0, len(posts), len(posts) + 2}, posts: append(posts, posts[:2]...)}
	f.cut()
	n := [parts]int{}
	for i := 0; i < len(posts); i += 2 {
		if f.part[i] != f.part[i+1] {
			t.Fatalf("%q is in %s, %q in %s", posts[i].Text, partNames[f.part[i]], posts[i+1].Text, partNames[f.part[i+1]])
		}
		n[f.part[i]]++
	}
	if f.part[0] != partTest {
		t.Error("a post that is measured is learnt from in another input")
	}
	for i, want := range []int{400, 50, 50} {
		if math.Abs(float64(n[i]-want)) > 25 {
			t.Errorf("%d of 500 posts in %s, want about %d", n[i], partNames[i], want)
		}
	}
}

// TestConfig checks what a training file is refused for.
func TestConfig(t *testing.T) {
	const good = "name: a\nheads: [{ name: bad }]\ninputs: [{ path: p.csv, text: t, label: l, map: { x: { bad: 1 } } }]\n"
	if _, err := ParseConfig("t.yaml", []byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new, says string }{
		{"name: a", "name: ''", "no name"},
		{"name: a", "name: a\nversion: 0", "count from 1"},
		{"name: a", "name: a\ndate: yesterday", "2006-01-02"},
		{"name: a", "name: a\nheading: b", "line 2: field heading not found"},
		{"name: a", "name: a\nfeatures: { words: 9 }", "features.words is 9"},
		{"name: a", "name: a\ntraining: { epochs: 0 }", "training.epochs is 0; use 1 to 1000"},
		{"name: a", "name: a\ntraining: { folds: 1 }", "use 0 for the validation part alone"},
		{"name: a", "name: a\ntraining: { rate: .nan }", "training.rate is NaN"},
		{"{ name: bad }", "{ name: Bad }", `head "Bad": the name does not fit`},
		{"[{ name: bad }]", "[{ name: bad }, { name: bad }]", "two of this name"},
		{"{ name: bad }", "{ name: bad, severity: grave }", `severity "grave"`},
		{"{ name: bad }", "{ name: bad, threshold: { at: 0.5, fpr: 0.1 } }", "not by 2"},
		{"{ name: bad }", "{ name: bad, threshold: { precision: 1.5 } }", "between 0 and 1"},
		{"x: { bad: 1 }", "x: { bda: 1 }", `did you mean "bad"`},
		{"x: { bad: 1 }", "x: { bad: 2 }", "class 2"},
		{"path: p.csv, ", "", "no path"},
		{"map: { x: { bad: 1 } }", "use: train", "no map"},
		{"text: t", "text: t, use: tests", `use "tests"`},
		{"text: t", "text: t, part: all", `part "all"`},
		{"label: l, ", "", "a map but no label"},
		{good, "", "empty"},
		{good, "[", "t.yaml: "},
	} {
		if !strings.Contains(good, c.old) {
			t.Fatalf("%q is not in the good file", c.old)
		}
		_, err := ParseConfig("t.yaml", []byte(strings.Replace(good, c.old, c.new, 1)))
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), "t.yaml: ") {
			t.Errorf("%q: %v, want an error that says %q", c.new, err, c.says)
		}
	}
}

// TestLoad reads each format.
func TestLoad(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.csv": "t,l\n\"one, two\",x\nthree,y\n", "a.tsv": "one, two\tx\nthree\ty\n", "a.jsonl": `{"p":{"t":"one, two"},"l":"x"}` + "\n\n" + `{"p":{"t":"three"},"l":"y"}` + "\n",
		"a.txt": "one, two\nthree\n", "labels": "x\ny\n", "short": "x\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := madeConfig()
	classes := map[string]map[string]int8{"x": {"bad": 1}, "y": {"bad": 0}}
	for _, c2 := range []struct {
		in   Input
		says string
	}{
		{Input{Path: "a.csv", Text: "t", Label: "l", Map: classes}, ""},
		{Input{Path: "a.tsv", Text: "1", Label: "2", NoHeader: true, Map: classes}, ""},
		{Input{Path: "a.jsonl", Text: "p.t", Label: "l", Map: classes}, ""},
		{Input{Path: "a.txt", LabelPath: "labels", Map: classes}, ""},
		{Input{Path: "a.txt", LabelPath: "short", Map: classes}, "only 1 labels"},
		{Input{Path: "a.tsv", Text: "1", Label: "7", NoHeader: true, Map: classes}, "a.tsv:1: 2 columns; the text or the label is column 7"},
		{Input{Path: "a.tsv", Text: "t", Label: "l", NoHeader: true, Map: classes}, "numbers from 1"},
		{Input{Path: "a.jsonl", Text: "t", Label: "l", Map: classes}, `a.jsonl:1: the field "t" is not a text`},
		{Input{Path: "a.jsonl", Text: "p.t", Label: "m", Map: classes}, `a.jsonl:1: there is no field "m"`},
		{Input{Path: "a.txt", Format: "xls", Map: classes}, `format "xls"`},
		{Input{Path: "${NO_SUCH_NAME_HERE}/a.txt", Map: classes}, "the environment has no NO_SUCH_NAME_HERE"},
		{Input{Path: ".", Map: classes}, "not a regular file"},
	} {
		l, err := c.Load(dir, &c2.in)
		if c2.says != "" {
			if err == nil || !strings.Contains(err.Error(), c2.says) {
				t.Errorf("%+v: %v, want an error that says %q", c2.in, err, c2.says)
			}
			continue
		}
		if err != nil {
			t.Errorf("%+v: %v", c2.in, err)
			continue
		}
		if len(l.Posts) != 2 || l.Posts[0].Text != "one, two" || l.Posts[0].Labels[0] != 1 || l.Posts[1].Text != "three" || l.Posts[1].Labels[0] != 0 || len(l.SHA256) != 64 {
			t.Errorf("%s: %+v", c2.in.Path, l)
		}
	}
	several := &Input{Separator: "_", Map: map[string]map[string]int8{"x": {"bad": 0}, "z": {"bad": 1}}}
	if got := c.classes(several, "y_x_z", map[string]int{}); got[0] != 1 {
		t.Errorf("a label of three: %v", got)
	}
}

// FuzzRows reads hostile files of each format: an error or posts, no fault.
func FuzzRows(f *testing.F) {
	f.Add("csv", []byte("t,l\n\"one, two\",x\n\"a\"b,c\n"))
	f.Add("tsv", []byte("t\tl\none\r\n\t\n"))
	f.Add("jsonl", []byte("{\"t\":\"x\",\"l\":1}\n{\"t\":[]}\nnull\n"))
	f.Add("lines", []byte("\xff\n\n\x00"))
	f.Fuzz(func(t *testing.T, format string, data []byte) {
		in := &Input{Format: format, Text: "t", Label: "l"}
		_ = in.rows("file", data, func(line int, text, label string) error {
			if line < 1 {
				t.Errorf("line %d", line)
			}
			return nil
		})
	})
}

// TestPicture checks that the picture is whole XML and has what it should.
func TestPicture(t *testing.T) {
	card := &model.Card{Heads: []model.Head{{Name: "bad"}}}
	r := measure("a <b> & c", []scored{{0.9, 1}, {0.8, 0}, {0.7, 1}, {0.2, 0}}, 0.75)
	var b bytes.Buffer
	if err := WritePicture(&b, card, [][]*Result{{r, measure("one class", []scored{{0.5, 0}}, 0.5)}}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"bad on a &lt;b&gt; &amp; c", "polyline", "threshold 0.750", "calibration error"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("there is no %q", want)
		}
	}
	if strings.Contains(b.String(), "one class") {
		t.Error("posts of one class have no curve")
	}
	dec := xml.NewDecoder(&b)
	for {
		if _, err := dec.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
