package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const maxRune = 0x10FFFF

// ucd is what the generator needs of the Unicode Character Database.
type ucd struct {
	category  [maxRune + 1]string // general category; "" is Cn
	script    [maxRune + 1]string
	ccc       map[rune]uint8
	decomp    map[rune][]rune // one step, canonical or compatibility
	canonical map[rune]bool   // decomp is canonical
	excluded  map[rune]bool   // Full_Composition_Exclusion
	casefold  map[rune][]rune // full case folding, C and F
	ignorable map[rune]bool   // Default_Ignorable_Code_Point
	bidi      map[rune]bool   // Bidi_Control
	emoji     map[rune]bool
	emojiMod  map[rune]bool

	confusable map[rune][]rune // confusables.txt of UTS #39: the prototype
}

// load reads the files of folder dir.
func load(dir string) (*ucd, error) {
	u := &ucd{
		ccc: map[rune]uint8{}, decomp: map[rune][]rune{}, canonical: map[rune]bool{}, excluded: map[rune]bool{},
		casefold: map[rune][]rune{}, ignorable: map[rune]bool{}, bidi: map[rune]bool{}, emoji: map[rune]bool{}, emojiMod: map[rune]bool{},
		confusable: map[rune][]rune{},
	}
	version := false
	steps := []struct {
		file string
		row  func(lo, hi rune, f []string) error
	}{
		{"UnicodeData.txt", u.unicodeData},
		{"DerivedGeneralCategory.txt", func(lo, hi rune, f []string) error { fill(u.category[:], lo, hi, f[1]); return nil }},
		{"Scripts.txt", func(lo, hi rune, f []string) error { fill(u.script[:], lo, hi, f[1]); return nil }},
		{"CaseFolding.txt", func(lo, _ rune, f []string) (err error) {
			if f[1] == "C" || f[1] == "F" {
				u.casefold[lo], err = runes(f[2])
			}
			return err
		}},
		{"DerivedCoreProperties.txt", set("Default_Ignorable_Code_Point", u.ignorable)},
		{"DerivedNormalizationProps.txt", set("Full_Composition_Exclusion", u.excluded)},
		{"PropList.txt", set("Bidi_Control", u.bidi)},
		{"emoji-data.txt", set("Emoji", u.emoji)},
		{"emoji-data.txt", set("Emoji_Modifier", u.emojiMod)},
		{"confusables.txt", u.confusables},
	}
	for _, s := range steps {
		v, err := read(filepath.Join(dir, s.file), s.row)
		if err != nil {
			return nil, err
		}
		version = version || v
	}
	if !version {
		return nil, fmt.Errorf("%s: no file says that it is of Unicode %s", dir, unicodeVersion)
	}
	return u, nil
}

// read calls row for each line of a UCD file and reports whether the file's
// head names the version that the tables are pinned to.
func read(path string, row func(lo, hi rune, f []string) error) (version bool, err error) {
	file, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer file.Close()
	sc := bufio.NewScanner(file)
	for n := 1; sc.Scan(); n++ {
		line := sc.Text()
		if n < 4 && strings.HasPrefix(line, "#") && strings.Contains(line, "-"+unicodeVersion) {
			version = true
		}
		line, _, _ = strings.Cut(line, "#")
		f := strings.Split(line, ";")
		if len(f) < 2 {
			continue
		}
		for i := range f {
			f[i] = strings.TrimSpace(f[i])
		}
		first, last, isRange := strings.Cut(f[0], "..")
		if !isRange {
			last = first
		}
		lo, err1 := strconv.ParseUint(first, 16, 32)
		hi, err2 := strconv.ParseUint(last, 16, 32)
		if err1 != nil || err2 != nil || hi > maxRune {
			return false, fmt.Errorf("%s:%d: bad range %q", path, n, f[0])
		}
		if err := row(rune(lo), rune(hi), f); err != nil {
			return false, fmt.Errorf("%s:%d: %w", path, n, err)
		}
	}
	return version, sc.Err()
}

func (u *ucd) unicodeData(lo, _ rune, f []string) error {
	if c, _ := strconv.Atoi(f[3]); c != 0 {
		u.ccc[lo] = uint8(c)
	}
	if f[5] == "" {
		return nil
	}
	tag, rest, compat := strings.Cut(f[5], "> ")
	if !compat {
		rest = tag
	}
	d, err := runes(rest)
	u.decomp[lo], u.canonical[lo] = d, !compat
	return err
}

func set(property string, into map[rune]bool) func(lo, hi rune, f []string) error {
	return func(lo, hi rune, f []string) error {
		if f[1] == property {
			for r := lo; r <= hi; r++ {
				into[r] = true
			}
		}
		return nil
	}
}

func fill(into []string, lo, hi rune, v string) {
	for r := lo; r <= hi; r++ {
		into[r] = v
	}
}

func runes(s string) ([]rune, error) {
	var out []rune
	for f := range strings.FieldsSeq(s) {
		v, err := strconv.ParseUint(f, 16, 32)
		if err != nil {
			return nil, err
		}
		out = append(out, rune(v))
	}
	return out, nil
}
