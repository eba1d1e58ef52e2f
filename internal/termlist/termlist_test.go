package termlist

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cockroachdb/datadriven"

	"github.com/sluicehq/sluice/internal/listfile"
	"github.com/sluicehq/sluice/internal/text/terms"
)

// TestParse prints what files hold, and what is wrong with them.
func TestParse(t *testing.T) {
	datadriven.Walk(t, "testdata/parse", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var byDefault *Match
			if d.HasArg("match") {
				var name string
				d.ScanArgs(t, "match", &name)
				m, err := ParseMatch(name)
				if err != nil {
					d.Fatalf(t, "%v", err)
				}
				byDefault = &m
			}
			l, err := Parse("l."+d.Cmd, []byte(d.Input), byDefault)
			if err != nil {
				return err.Error() + "\n"
			}
			var b strings.Builder
			for _, e := range l.Entries {
				fmt.Fprintf(&b, "%d: %s %q", e.Line, e.Match, e.Body())
				if e.Body() != e.Term {
					fmt.Fprintf(&b, " shown as %q", e.Term)
				}
				if e.Weight != 1 {
					fmt.Fprintf(&b, " weight %g", e.Weight)
				}
				if e.Language != 0 {
					fmt.Fprintf(&b, " language %s", l.Languages[e.Language])
				}
				if e.View != Unset {
					fmt.Fprintf(&b, " view %s", e.View)
				}
				if e.Note != "" {
					fmt.Fprintf(&b, " note %q", e.Note)
				}
				b.WriteByte('\n')
			}
			if len(l.Ignored) > 0 {
				fmt.Fprintf(&b, "ignored: %q\n", l.Ignored)
			}
			return b.String()
		})
	})
}

// TestLimits checks the errors that no small file has.
func TestLimits(t *testing.T) {
	var languages strings.Builder
	languages.WriteString("term,language\n")
	for i := range MaxLanguages {
		fmt.Fprintf(&languages, "t%d,aa-%03d\n", i, i)
	}
	for _, c := range []struct{ name, data, want string }{
		{"l.yaml", strings.Repeat("- a\n", listfile.MaxYAMLBytes/4+1), "line 0: 16777220 bytes; a list of terms in this format has at most 16777216: split it, or use another format"},
		{"l.csv", languages.String(), "more than 256 languages in one list"},
		{"l.txt", "\xef\xbb\xbf" + strings.Repeat("x", terms.MaxLength+1), "line 1: a term of 1025 bytes; the longest is 1024: cut it"},
		{"l.csv", "term,note\na," + strings.Repeat("x", maxNote+1), "line 2: a note of 1025 bytes"},
		{"l.yml", "- \xff", "line 0: the file is not UTF-8"},
	} {
		_, err := Parse(c.name, []byte(c.data), nil)
		var errs listfile.Errors
		if !errors.As(err, &errs) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	_, err := Parse("l.txt", []byte(strings.Repeat("\xff\n", 100)), nil)
	if n := strings.Count(err.Error(), "\n") + 1; n != listfile.MaxErrors+1 || !strings.Contains(err.Error(), "correct the ones above") {
		t.Errorf("100 mistakes are told as %d:\n%v", n, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("a\n# c\n\\#t\nregex:a|b\nab*\nw?rd\n5\\*\n"), 0)
	f.Add([]byte("term,note\n\"a\nb\",x\n,\n"), 1)
	f.Add([]byte("note,term,weight,language,view,match\n\"x\"y\n,a,1e3,pt-BR,raw,substring\n"), 1)
	f.Add([]byte("\ufeff\xff"), 0)
	f.Add([]byte("- a\n- {term: b, weight: .5, note: ~}\n- &x [c]\n- *x\n"), 2)
	f.Fuzz(func(t *testing.T, data []byte, format int) {
		name := []string{"l.txt", "l.csv", "l.yaml"}[uint(format)%3]
		l, err := Parse(name, data, nil)
		var errs listfile.Errors
		if err != nil {
			if !errors.As(err, &errs) || len(errs) == 0 || len(errs) > listfile.MaxErrors+1 {
				t.Fatalf("%q: %v", data, err)
			}
			return
		}
		for _, e := range l.Entries {
			if e.Term == "" || len(e.Term) > terms.MaxLength || !utf8.ValidString(e.Term) || e.Line < 1 || e.Match >= Matches || e.View >= Views ||
				int(e.Language) >= len(l.Languages) || math.IsNaN(float64(e.Weight)) || e.Weight > MaxWeight || e.Weight < -MaxWeight {
				t.Fatalf("%q: entry %+v", data, e)
			}
		}
	})
}
