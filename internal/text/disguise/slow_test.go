package disguise

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text/disguise/kind"
	"github.com/sluicehq/sluice/internal/text/fold"
)

// The slow ways of what is done by tables and by words of bytes: one character
// after the other, by the rules.

// slowUnits is appendUnits.
func slowUnits(text []byte) (u []unit) {
	for i := 0; i < len(text); {
		var kinds kind.Set
		r, size := utf8.DecodeRune(text[i:])
		if r == '&' {
			if e, n := entity(text[i:]); n > 0 {
				r, size, kinds = e, n, kind.Entity
			}
		}
		start, end := uint32(i), uint32(i+size)
		i += size
		x := unit{start: start, end: end, count: 1, kinds: kinds}
		folded, fate := fold.Rune(r)
		switch {
		case fate == fold.Removed || fate == fold.Mark:
			if n := len(u) - 1; n >= 0 {
				u[n].end = end
				u[n].kinds |= kinds | hidden(fate)
			}
		case fate == fold.One:
			x.folded, x.kinds = folded, kinds|widthOf(r, folded)
			u = push(u, 0, x, r)
		case glyphOf(r) != 0:
			x.folded = r
			u = push(u, 0, x, r)
		default:
			for _, c := range string(fold.AppendForm(nil, r)) {
				x.folded = c
				u = push(u, 0, x, c)
			}
		}
	}
	return u
}

// slowSurvey is survey.
func slowSurvey(u []unit) (s look) {
	s.plain, s.strict, s.doubled = true, true, len(u) > 0
	for i := range u {
		c := &u[i]
		s.kinds |= c.kinds
		s.traits |= c.traits
		s.most = max(s.most, c.count)
		s.doubled = s.doubled && c.count == 2
		g := &glyphs[c.glyph]
		enclosed := c.form == symbol && c.folded >= 0x2100 && letters[g.first].kind == kind.Enclosed
		if c.form == letter {
			if sc := scriptOf(c.folded); s.script == other {
				s.script = sc
			} else if sc != s.script {
				s.mixed = true
			}
			s.strict = s.strict && strict(c.r)
			odd := c.folded >= 0x80 && c.folded < 0x370 || c.folded >= 0x460
			s.plain = s.plain && (g.n == 0 || !odd)
		}
		if c.form == letter || enclosed {
			s.letters += int(c.count)
		}
		if c.form == digit {
			s.digits += int(c.count)
		}
		s.masked = s.masked || c.form == mask
		s.inside = s.inside || c.form == mask || c.form == symbol && !enclosed
		s.turned = s.turned || c.glyph != 0 && g.n > 0 && letters[g.first].kind == kind.UpsideDown
		s.plain = s.plain && c.form != digit && c.form != mask && c.form != symbol && c.count < 3 && c.kinds&kind.Entity == 0
	}
	if s.mixed || s.strict || s.doubled && len(u) >= minLetters {
		s.plain = false
	}
	return s
}

// slowPut writes a unit into a view.
func slowPut(dst []byte, c *unit, to script, leet, once bool) []byte {
	r := c.folded
	if g := &glyphs[c.glyph]; g.n > 0 {
		own := c.form == letter && scriptOf(r) == to && (r < 0x250 || r >= 0x370 && r < 0x1D00 || letters[g.first].kind == kind.Homoglyph)
		if c.form == letter && !own || c.enclosed() || leet && (c.form == digit || c.form == symbol) {
			for _, s := range letters[g.first : g.first+uint16(g.n)] {
				if scriptOf(s.letter) == to {
					r = s.letter
					break
				}
			}
		}
	}
	for n := c.count; n > 0; n-- {
		if dst = utf8.AppendRune(dst, r); once {
			break
		}
	}
	return dst
}

// slowViewer is a Viewer that writes every word that may hide something in both
// views, and compares them.
type slowViewer struct {
	Viewer
	skeletons, squeezeds [][]byte
}

func (v *slowViewer) word(u []unit, whole kind.Set, edges bool) {
	if edges {
		return
	}
	s := slowSurvey(u)
	if s.mixed && whole == 0 {
		v.mixed++
	}
	if s.plain && whole == 0 || s.letters == 0 || len(u) > 4*maxRuns {
		return
	}
	start, end := int(u[0].start), int(u[0].end)
	for i := range u {
		start, end = min(start, int(u[i].start)), max(end, int(u[i].end))
	}
	if n := len(v.edits); n > 0 && start < v.edits[n-1].end {
		return
	}
	if s.turned {
		u = slices.Clone(u)
		slices.Reverse(u)
		for i := range u {
			if t := turn(u[i].folded); t != 0 {
				u[i].folded, u[i].glyph = t, glyphOf(t)
			}
		}
	}
	to := v.slowMajority(u, &s)
	old := fold.Append(nil, v.text[start:end])
	var skeleton, squeezed []byte
	if whole&kind.Spaced != 0 {
		skeleton = old
	} else {
		for i := range u {
			skeleton = slowPut(skeleton, &u[i], to, false, false)
		}
	}
	number := whole&kind.Spaced == 0 && (s.letters < minLetters || amount(u, &s))
	apart := s.inside && spelled(u)
	for i := range u {
		if !apart || i&1 == 0 {
			squeezed = slowPut(squeezed, &u[i], to, !number && inside(u, i), u[i].count >= 3 || s.doubled && len(u) >= minLetters)
		}
	}
	if !bytes.Equal(old, skeleton) || !bytes.Equal(old, squeezed) {
		v.edits = append(v.edits, edit{start: start, end: end})
		v.skeletons, v.squeezeds = append(v.skeletons, skeleton), append(v.squeezeds, squeezed)
	}
}

func (v *slowViewer) slowMajority(u []unit, s *look) script {
	var count [arabic + 1]int
	for i := range u {
		if u[i].form == letter {
			count[scriptOf(u[i].folded)] += int(u[i].count)
		} else if u[i].enclosed() {
			count[latin] += int(u[i].count)
		}
	}
	best := other
	for sc := latin; sc <= arabic; sc++ {
		if count[sc] > count[best] {
			best = sc
		}
	}
	if s.strict && !s.mixed && s.letters >= minLetters {
		switch {
		case best == latin && v.cyr/2 > 2*(v.latin-s.letters):
			return cyrillic
		case best == cyrillic && v.latin > 2*(v.cyr/2-s.letters):
			return latin
		}
	}
	return best
}

// views returns both views of a text.
func (v *slowViewer) views(text []byte) (skeleton, squeezed []byte) {
	v.edits, v.skeletons, v.squeezeds, v.mixed, v.text = v.edits[:0], v.skeletons[:0], v.squeezeds[:0], 0, text
	v.read(text, v)
	at := 0
	for i, e := range v.edits {
		skeleton = append(fold.Append(skeleton, text[at:e.start]), v.skeletons[i]...)
		squeezed = append(fold.Append(squeezed, text[at:e.start]), v.squeezeds[i]...)
		at = e.end
	}
	return fold.Append(skeleton, text[at:]), fold.Append(squeezed, text[at:])
}

// slowHidden is Hidden.
func slowHidden(text string) (invisible int, distance float32) {
	total, changed, emoji := 0, 0, false
	for _, r := range text {
		total++
		if emoji && (r == 0x200D || r == 0xFE0F || r == 0xFE0E || r >= 0xE0020 && r <= 0xE007F) {
			continue
		}
		f, fate := fold.Rune(r)
		same := fate == fold.One && (f == r || f == unicode.ToLower(r)) || string(fold.Append(nil, []byte(string(r)))) == string(unicode.ToLower(r))
		if emoji = r >= 0x2100 && same; !same {
			changed++
		}
		if fate == fold.Removed {
			invisible++
		}
	}
	if changed == 0 {
		return invisible, 0
	}
	return invisible, float32(changed) / float32(total)
}

// mixture returns a text of what is looked at in different ways.
func mixture(r *rand.Rand) []byte {
	pieces := strings.Fields(`z0rv4th z o a1 k1ll gооd zоrvath 👩 👏 🇿 🇴 🆉 🅾 ⒵ ⒪ ﬃ ﷺ &#122; &#111; &amp; &zwnj; &nbsp; * ** # @ $ | ! + _ . - / http:// www. x@y.com é ü
		ж я и босс б0сс з0рват ز و زورفات ٮ ɥ ʇ ɐʌɹoz ᴢ ᴏ ʀ ｚ ｏ ｶﾞ カ 漢 東京 한 ภ … ’ • · € ø ł α ε ꓮ 𝐳 𝐨 aaa oo zzoorrvvaatthh ггг 1 22 333 4th ß ŉ ǆ İ ʰ ① Ⓐ ㎏ ½ ԁ ҫ`)
	pieces = append(pieces, " ", "  ", "\n", "\u202e", "\u202d", "\u202c", "\u200b", "\u200d", "\u0301", "\u0336", "\u20e3", "\ufe0f", "\u00a0", "\u3000", "\x00", "\x7f", "\u1112\u1161",
		"\u0915\u094d", "\u3099", "\u07eb", "\U000e0067", "🏴", "\U00020000", "\U0002f800", "\ufffd")
	few := make([]string, 1+r.IntN(8))
	for i := range few {
		few[i] = pieces[r.IntN(len(pieces))]
	}
	var b []byte
	for range 1 + r.IntN(80) {
		switch r.IntN(6) {
		case 0:
			b = append(b, ' ')
		case 1:
			b = append(b, "etaoinshrdlcumwfgypbvk 10@*. "[r.IntN(29)])
		case 2:
			b = utf8.AppendRune(b, rune(r.IntN([]int{0x80, 0x600, 0x3100, 0x20000}[r.IntN(4)])))
		default:
			b = append(b, few[r.IntN(len(few))]...)
		}
	}
	return bytes.ToValidUTF8(b, []byte("?"))
}

// TestSlowly holds the units, the looks of words, the views and the signs of texts
// against the slow ways.
func TestSlowly(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	var v Viewer
	var slow slowViewer
	differ := 0
	for range 30_000 {
		text := mixture(r)
		u := appendUnits(nil, text, 0, len(text))
		if want := slowUnits(text); !slices.Equal(u, want) {
			t.Fatalf("%+q: units\n%+v, want\n%+v", text, u, want)
		}
		if got, want := survey(u), slowSurvey(u); got != want {
			t.Fatalf("%+q: looks like\n%+v, want\n%+v", text, got, want)
		}
		skeleton, squeezed := slow.views(text)
		if v.Read(text) {
			differ++
		}
		if got := v.AppendSkeleton(nil); !bytes.Equal(got, skeleton) {
			t.Fatalf("%+q: skeleton\n%+q, want\n%+q", text, got, skeleton)
		}
		if got := v.AppendSqueezed(nil); !bytes.Equal(got, squeezed) {
			t.Fatalf("%+q: squeezed\n%+q, want\n%+q", text, got, squeezed)
		}
		if !v.SkeletonDiffers() && !bytes.Equal(skeleton, fold.Append(nil, text)) {
			t.Fatalf("%+q: the skeleton is said to be what folding makes, but is %+q", text, skeleton)
		}
		if v.MixedWords() != slow.MixedWords() {
			t.Fatalf("%+q: %d words of several scripts, want %d", text, v.MixedWords(), slow.MixedWords())
		}
		hidden, share := Hidden(text)
		if a, b := slowHidden(string(text)); hidden != a || share != b {
			t.Fatalf("%+q: %d hidden, distance %v; want %d, %v", text, hidden, share, a, b)
		}
	}
	if differ < 10_000 {
		t.Errorf("only %d texts have other views: the test shows little", differ)
	}
}

// TestCells holds the units of all characters against those that are made anew, and
// their classes and effects against the rules.
func TestCells(t *testing.T) {
	for r := rune(1); r <= 0x30000; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		text := []byte(string(r))
		if got, want := appendUnits(nil, text, 0, len(text)), slowUnits(text); !slices.Equal(got, want) {
			t.Fatalf("%U: %+v, want %+v", r, got, want)
		}
		text = []byte("z" + string(r) + string(r) + "z")
		if got, want := appendUnits(nil, text, 0, len(text)), slowUnits(text); !slices.Equal(got, want) {
			t.Fatalf("%U between letters: %+v, want %+v", r, got, want)
		}
		if hidden, share := Hidden(text); true {
			if a, b := slowHidden(string(text)); hidden != a || share != b {
				t.Fatalf("%U: %d hidden, distance %v; want %d, %v", r, hidden, share, a, b)
			}
		}
	}
	for r := rune(0x800); r < 0x10000; r++ {
		if b := string(r); b[1] >= allWords[b[0]&0xf] && classOf(r) != inWord {
			t.Errorf("%U has class %#x, not that of letters alone", r, classOf(r))
		}
	}
	// What squeeze writes is one byte a letter.
	for c := range rune(utf8.RuneSelf) {
		if x := firstLetters[glyphOf(c)][latin]; formOf(c, glyphOf(c)) != letter && x >= utf8.RuneSelf {
			t.Errorf("%q is read as %q, which is not of ASCII", c, x)
		}
	}
}
