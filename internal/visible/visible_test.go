package visible

import "testing"

func TestText(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"plain, naïve, 日本 😀", "plain, naïve, 日本 😀"},
		{"a\nb\tc", `a\nb\tc`},
		{"\x1b[2Jgone", `\u{1b}[2Jgone`},
		{"abc\u202edef", `abc\u{202e}def`},
		{"zero\u200bwidth", `zero\u{200b}width`},
		{"bad \xff\xfe", `bad \xff\xfe`},
		{"line\u2028separator", `line\u{2028}separator`},
	} {
		if got := Text(c.in); got != c.want {
			t.Errorf("Text(%q) = %q, want %q", c.in, got, c.want)
		}
	}
}
