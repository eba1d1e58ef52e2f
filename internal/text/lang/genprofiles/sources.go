package main

import (
	"archive/zip"
	_ "embed"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"

	"github.com/sluicehq/sluice/internal/text/lang/profile"
)

//go:embed sorani.txt
var sorani string

// model holds how often a language has each window (see package profile) and
// each letter.
type model struct {
	windows map[uint32]float64
	letters map[rune]float64
}

func (l language) read(a *letters, lingua, udhr string) (*model, error) {
	switch {
	case l.sorani:
		return ofText(a, sorani), nil
	case l.udhr != "":
		b, err := os.ReadFile(filepath.Join(udhr, "declaration", l.udhr+".html"))
		if err != nil {
			return nil, err
		}
		_, body, _ := strings.Cut(string(b), "<body>")
		return ofText(a, tag.ReplaceAllString(body, " ")), nil
	}
	return ofLingua(a, filepath.Join(lingua, "language-models", l.code))
}

var tag = regexp.MustCompile(`<[^>]*>`)

// ofText counts the windows of a text.
func ofText(a *letters, text string) *model {
	m := &model{map[uint32]float64{}, map[rune]float64{}}
	w := uint32(0)
	for _, r := range text + " " {
		r = unicode.ToLower(r)
		sym := a.symbol[r]
		if sym == profile.Joiner {
			continue
		}
		if sym != 0 {
			m.letters[r]++
		}
		if sym != 0 || w != 0 {
			w = (w<<profile.SymbolBits | sym) & profile.Window
			m.windows[w]++
		}
		if sym == 0 {
			w = 0
		}
	}
	return m
}

// ofLingua derives the counts of windows from the models of n-grams, which know
// no borders of words: what an n-gram's continuations leave of its count stands
// before a border, and so in front.
func ofLingua(a *letters, dir string) (*model, error) {
	m := &model{map[uint32]float64{}, map[rune]float64{}}
	count := map[string]float64{} // of all n-grams
	for _, name := range []string{"unigrams", "bigrams", "trigrams", "quadrigrams"} {
		p, err := readModel(filepath.Join(dir, name+".pb.bin.zip"))
		if err != nil {
			return nil, err
		}
		total := 1.0
		if name == "unigrams" {
			for _, v := range p { // the least is that of one occurrence
				total = max(total, 1/v)
			}
		}
		for gram, v := range p {
			r := []rune(gram)
			if len(r) == 1 {
				count[gram] = v * total
				m.letters[r[0]] += v * total
			} else {
				count[gram] = v * count[string(r[:len(r)-1])]
			}
		}
	}
	before, after, around := map[string]float64{}, map[string]float64{}, map[string]float64{}
	for gram, n := range count {
		if r := []rune(gram); len(r) > 1 {
			before[string(r[1:])] += n
			after[string(r[:len(r)-1])] += n
			if len(r) > 2 {
				around[string(r[1:len(r)-1])] += n
			}
		}
	}
	for gram, n := range count {
		sym, ok := a.symbols(gram)
		if !ok || len(sym) == 0 || len(sym) < len([]rune(gram)) {
			continue
		}
		m.add(sym, n, before[gram], after[gram], around[gram])
	}
	return m, nil
}

// add adds the windows of an n-gram of count n, of which so many have a letter
// before them, after them, and on both sides.
func (m *model) add(sym []uint32, n, before, after, around float64) {
	w := uint32(0)
	for _, s := range sym {
		w = w<<profile.SymbolBits | s
	}
	end := w << profile.SymbolBits
	switch len(sym) {
	case 4:
		m.windows[w] += n
	case 3:
		m.windows[w] += max(0, n-before)
		m.windows[end] += max(0, n-after)
	default:
		m.windows[w] += max(0, n-before)
		m.windows[end] += max(0, n-before-after+around)
	}
}

// readModel reads the probabilities of n-grams from a file of lingua-go: a
// message SerializableLanguageModel of its serialization/model.proto, of which
// field 4 holds messages of a probability (1, double) and n-grams (2, strings).
func readModel(path string) (map[string]float64, error) {
	z, err := zip.OpenReader(path)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	f, err := z.File[0].Open()
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	out := map[string]float64{}
	err = fields(b, func(number uint64, set []byte, _ uint64) error {
		if number != 4 {
			return nil
		}
		var p float64
		return fields(set, func(number uint64, gram []byte, bits uint64) error {
			if number == 1 {
				p = math.Float64frombits(bits)
			} else {
				out[string(gram)] = p
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return out, nil
}

// fields calls f for each field of a message in the wire format of protocol
// buffers.
func fields(b []byte, f func(number uint64, data []byte, value uint64) error) error {
	for len(b) > 0 {
		key, n := binary.Uvarint(b)
		if n <= 0 {
			return io.ErrUnexpectedEOF
		}
		b = b[n:]
		var data []byte
		var value uint64
		switch key & 7 {
		case 0, 2:
			if value, n = binary.Uvarint(b); n <= 0 {
				return io.ErrUnexpectedEOF
			}
			b = b[n:]
			if key&7 == 2 {
				if value > uint64(len(b)) {
					return io.ErrUnexpectedEOF
				}
				data, b = b[:value], b[value:]
			}
		case 1:
			if len(b) < 8 {
				return io.ErrUnexpectedEOF
			}
			value, b = binary.LittleEndian.Uint64(b), b[8:]
		default:
			return fmt.Errorf("wire type %d", key&7)
		}
		if err := f(key>>3, data, value); err != nil {
			return err
		}
	}
	return nil
}
