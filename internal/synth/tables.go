package synth

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"unicode"
	"unicode/utf8"
)

//go:embed tables/*.txt planted/*.txt
var files embed.FS

// languages lists the languages with the slots of 64 that each gets.
var languages = [...]struct {
	code  string
	slots int
}{
	{"en", 22},
	{"es", 7},
	{"ja", 8},
	{"pt", 6},
	{"ar", 4},
	{"ru", 4},
	{"tr", 3},
	{"fr", 3},
	{"de", 3},
	{"hi", 2},
	{"th", 1},
	{"zh", 1},
}

// Slots of a template. Those below slotName are word classes.
const (
	slotS     = iota // subject
	slotV            // verb
	slotO            // object
	slotL            // place
	slotT            // time
	slotA            // adjective
	slotI            // interjection
	slotName         // N: an invented name
	slotNum          // #: a number of 2 to 99
	slotTerm         // X: the term of the row
	slotLink         // U: the short link of the campaign
	slotTag          // G: the hashtag of the campaign
	slotEnd          // literal text only
	numWords  = slotName
	slotChars = "SVOLTAIN#XUG"
)

// op is a piece of a template: literal text, then a slot.
type op struct {
	lit  string
	slot uint8
}

// template is a sentence; its last op has slotEnd.
type template []op

// class is a list of entries drawn by Zipf's law.
type class struct {
	entries []string
	zipf    [512]uint8 // a uniform 9-bit number -> an entry's index
}

// language holds the tables of one language.
type language struct {
	code      string
	slots     []uint8 // which of the 64 author slots speak it
	words     [numWords]class
	sentences []template
	sentZipf  [512]uint8
	tags      class
	syllables []string
	capitals  []string // syllables with an upper-case first letter
	planted   [numPlants][]template
	terms     []int // indices into tables.terms
}

// Groups of planted templates.
const (
	plantTerm = iota
	plantNews
	plantCounter
	plantUnlisted
	plantLookalike
	plantLyrics
	plantCampaign
	numPlants
	plantChars = "XNCUKRM"
)

// term is an invented word or phrase that lists are to find.
type term struct {
	text      string
	lookalike []string
	langs     []int // indices into tables.langs
	latin     bool
	cyrillic  bool
}

// tables is everything read from the embedded files; it is shared and never
// changed.
type tables struct {
	langs     [len(languages)]language
	bySlot    [langSlots]uint8 // author slot -> language
	terms     []term
	campaigns []int // languages that have campaign templates, a slot each
	songs     []int // languages that have songs
}

func loadTables() (*tables, error) {
	t := &tables{}
	slot := 0
	for i, l := range languages {
		t.langs[i].code = l.code
		for range l.slots {
			// An odd stride spreads a language over the slots, so that the most
			// active authors are not of one language.
			at := uint8(slot * 27 % langSlots)
			t.langs[i].slots = append(t.langs[i].slots, at)
			t.bySlot[at] = uint8(i)
			slot++
		}
		if err := t.loadLanguage(&t.langs[i]); err != nil {
			return nil, err
		}
		if err := t.loadPlanted(i); err != nil {
			return nil, err
		}
	}
	return t, t.loadTerms()
}

// sections reads a file of "key: a | b | c" lines and calls f for each.
func sections(name string, f func(key string, entries []string) error) error {
	data, err := files.ReadFile(name)
	if err != nil {
		return err
	}
	for n, line := range strings.Split(string(bytes.TrimSpace(data)), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		key, rest, ok := strings.Cut(line, ":")
		if !ok || len(key) != 1 {
			return fmt.Errorf("%s:%d: want a one-letter key and a colon", name, n+1)
		}
		entries := strings.Split(rest, "|")
		for i := range entries {
			entries[i] = strings.TrimSpace(entries[i])
			if entries[i] == "" || !plain(entries[i]) {
				return fmt.Errorf("%s:%d: entry %q is empty or needs escaping in JSON", name, n+1, entries[i])
			}
		}
		if err := f(key, entries); err != nil {
			return fmt.Errorf("%s:%d: %w", name, n+1, err)
		}
	}
	return nil
}

// plain reports whether s can stand in a JSON string as it is.
func plain(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r == '"' || r == '\\' || unicode.IsControl(r)
	})
}

func (t *tables) loadLanguage(l *language) error {
	name := "tables/" + l.code + ".txt"
	err := sections(name, func(key string, entries []string) error {
		if i := strings.Index(slotChars[:numWords], key); i >= 0 {
			l.words[i] = newClass(entries)
			return nil
		}
		switch key {
		case "P":
			var err error
			l.sentences, err = parseTemplates(entries)
			l.sentZipf = zipfTable(len(entries))
			return err
		case "G":
			l.tags = newClass(entries)
		case "Y":
			l.syllables = entries
			for _, s := range entries {
				r, n := utf8.DecodeRuneInString(s)
				l.capitals = append(l.capitals, string(unicode.ToTitle(r))+s[n:])
			}
		default:
			return fmt.Errorf("unknown section %q", key)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range l.words {
		if n := len(l.words[i].entries); n == 0 || n > 256 {
			return fmt.Errorf("%s: section %c has %d entries, want 1 to 256", name, slotChars[i], n)
		}
	}
	if len(l.sentences) == 0 || len(l.tags.entries) == 0 || len(l.syllables) == 0 {
		return fmt.Errorf("%s: sections P, G and Y must not be missing", name)
	}
	return nil
}

func (t *tables) loadPlanted(i int) error {
	l := &t.langs[i]
	name := "planted/" + l.code + ".txt"
	if _, err := files.Open(name); errors.Is(err, fs.ErrNotExist) {
		return nil // a language without planted texts
	}
	err := sections(name, func(key string, entries []string) error {
		at := strings.Index(plantChars, key)
		if at < 0 {
			return fmt.Errorf("unknown section %q", key)
		}
		var err error
		l.planted[at], err = parseTemplates(entries)
		return err
	})
	if len(l.planted[plantCampaign]) > 0 {
		for range l.slots {
			t.campaigns = append(t.campaigns, i)
		}
	}
	if len(l.planted[plantLyrics]) > 0 {
		t.songs = append(t.songs, i)
	}
	return err
}

// loadTerms reads terms.txt: term | languages | look-alikes.
func (t *tables) loadTerms() error {
	const name = "planted/terms.txt"
	data, err := files.ReadFile(name)
	if err != nil {
		return err
	}
	for n, line := range strings.Split(string(bytes.TrimSpace(data)), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.Split(line, "|")
		if len(f) != 3 || !plain(line) {
			return fmt.Errorf("%s:%d: want term | languages | look-alikes", name, n+1)
		}
		e := term{text: strings.TrimSpace(f[0])}
		r, _ := utf8.DecodeRuneInString(e.text)
		e.latin, e.cyrillic = r < utf8.RuneSelf, unicode.Is(unicode.Cyrillic, r)
		for w := range strings.SplitSeq(f[2], ";") {
			e.lookalike = append(e.lookalike, strings.TrimSpace(w))
		}
		for code := range strings.FieldsSeq(f[1]) {
			i := t.language(code)
			if i < 0 || len(t.langs[i].planted[plantTerm]) == 0 {
				return fmt.Errorf("%s:%d: language %q has no planted texts", name, n+1, code)
			}
			e.langs = append(e.langs, i)
			t.langs[i].terms = append(t.langs[i].terms, len(t.terms))
		}
		t.terms = append(t.terms, e)
	}
	return nil
}

func (t *tables) language(code string) int {
	for i := range t.langs {
		if t.langs[i].code == code {
			return i
		}
	}
	return -1
}

func parseTemplates(entries []string) ([]template, error) {
	out := make([]template, len(entries))
	for i, s := range entries {
		for {
			lit, rest, found := strings.Cut(s, "{")
			if !found {
				out[i] = append(out[i], op{lit, slotEnd})
				break
			}
			at := -1
			if len(rest) >= 2 && rest[1] == '}' {
				at = strings.IndexByte(slotChars, rest[0])
			}
			if at < 0 {
				return nil, fmt.Errorf("template %q: want a slot of {%s} at {%s", entries[i], slotChars, rest)
			}
			out[i] = append(out[i], op{lit, uint8(at)})
			s = rest[2:]
		}
	}
	return out, nil
}

func newClass(entries []string) class {
	return class{entries: entries, zipf: zipfTable(len(entries))}
}

// zipfTable deals 512 numbers out to n entries, entry k with weight 1/(k+5)
// (Zipf-Mandelbrot), in integers so that every machine gets the same table.
func zipfTable(n int) (z [512]uint8) {
	const unit = 1 << 32
	total := uint64(0)
	for k := range n {
		total += unit / uint64(k+5)
	}
	sum, at := uint64(0), 0
	for k := range min(n, 256) {
		sum += unit / uint64(k+5)
		for ; at < len(z) && uint64(at)*total < sum*uint64(len(z)); at++ {
			z[at] = uint8(k)
		}
	}
	return z
}

// Terms returns the invented terms that rows use, as lists are to write them.
func Terms() ([]string, error) {
	t, err := loadTables()
	if err != nil {
		return nil, err
	}
	out := make([]string, len(t.terms))
	for i, e := range t.terms {
		out[i] = e.text
	}
	return out, nil
}
