package alert

import (
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
)

func TestSQLText(t *testing.T) {
	for in, want := range map[string]string{
		"":                         `''`,
		"plain é":                  `'plain é'`,
		`x' OR 1=1 --`:             `'x\' OR 1=1 --'`,
		`back\`:                    `'back\\'`,
		"line\n\x00end":            `'line\x0a\x00end'`,
		"rtl\u202e":                `'rtl\xe2\x80\xae'`,
		`\'; DROP TABLE posts; /*`: `'\\\'; DROP TABLE posts; /*'`,
	} {
		if got := sqlText(in); got != want {
			t.Errorf("sqlText(%q) = %s, want %s", in, got, want)
		}
	}
}

func FuzzSQLText(f *testing.F) {
	f.Add(`a'b\`)
	f.Fuzz(func(t *testing.T, s string) {
		got := sqlText(strings.ToValidUTF8(s, "?"))
		body := got[1 : len(got)-1]
		for i := 0; i < len(body); i++ {
			switch {
			case body[i] == '\\':
				i++ // takes the next character with it, which must be there
				if i == len(body) {
					t.Errorf("%s ends in an escape", got)
				}
			case body[i] == '\'' || body[i] < 32:
				t.Errorf("%s: byte %d is not escaped", got, i)
			}
		}
	})
}

// TestKeepsNothing overwrites a batch's memory after Write has returned: what
// is told must not change by that.
func TestKeepsNothing(t *testing.T) {
	in := newReceiver(t)
	cfg := testConfig(t, map[string]Target{"hook": webhook(in.URL)})
	cfg.By = []string{"rule_id", "labels", "platform"}
	r := opened(t, cfg)
	b := batches(t, det("r1", "ann", 0, "labels", []string{"spam", "bot"}, "platform", "net"))
	if err := r.Write(t.Context(), testKey(1), b); err != nil {
		t.Fatal(err)
	}
	var scribble func(d arrow.ArrayData)
	scribble = func(d arrow.ArrayData) {
		if n := len(d.Buffers()); n > 2 && d.Buffers()[2] != nil {
			for i := range d.Buffers()[2].Bytes() {
				d.Buffers()[2].Bytes()[i] = '#'
			}
		}
		for _, c := range d.Children() {
			scribble(c)
		}
	}
	for _, c := range b[0].Record.Columns() {
		scribble(c.Data())
	}
	r.idle(t)
	ms := in.messages(t)
	if len(ms) != 1 || strings.Contains(in.seen[ms[0].Key], "#") {
		t.Errorf("got %v", in.seen)
	}
}
