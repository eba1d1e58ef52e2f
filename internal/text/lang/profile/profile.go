// Package profile defines the tables of the language detector and their file,
// for the generator that writes it and the kernel that reads it.
//
// The scripts that several languages share are groups. A letter is a symbol of
// its group, and a window is the last four symbols of a word; 0 stands for the
// word's borders. "the" has the windows ···t, ··th, ·the and the·. A group has a
// row for each hash of a window, and a row has a cost for each of its languages:
// how much less likely the last symbol is after the others than in the language
// where it is likeliest, in units of Step. The language of the least sum is the
// likeliest one.
package profile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Symbols are of 6 bits.
const (
	SymbolBits = 6
	Joiner     = 1<<SymbolBits - 1 // of a character that is in words and counts as nothing
	Letters    = Joiner - 1        // symbols 1 to Letters are letters
	Window     = 1<<(4*SymbolBits) - 1
)

// Costs are of 4 bits.
const (
	Step    = 0.5 // nats
	MaxCost = 15
	Lanes   = 8 // costs in a word of a row, a byte each, the first in the lowest
)

// The characters that have entries: those below Low, and from High on.
const (
	Low     = 0xA00
	High    = 0x1E00
	EndHigh = 0x1F00
	Chars   = Low + EndHigh - High
)

// A Char tells what a character is to the groups; 0 is no letter of theirs.
//
//	bits 0-5   symbol
//	bits 6-7   group
//	bits 8-15  mark: a row of Group.Marks; 0 none
type Char uint16

// Symbol returns the character's symbol, 0 where it ends a word.
func (c Char) Symbol() uint32 { return uint32(c & Joiner) }

// Group returns the number of the group that the character is of.
func (c Char) Group() int { return int(c>>SymbolBits) & 3 }

// Mark returns the row of marks, or 0.
func (c Char) Mark() uint8 { return uint8(c >> 8) }

// MakeChar returns a character.
func MakeChar(group int, symbol uint32, mark uint8) Char {
	return Char(symbol) | Char(group)<<SymbolBits | Char(mark)<<8
}

// Index returns where Set.Chars has r, or Chars where it has not.
func Index(r rune) int {
	switch {
	case r < Low:
		return int(r)
	case r >= High && r < EndHigh:
		return int(r) - High + Low
	}
	return Chars
}

// Hash returns the row of a window in a table of 1<<bits rows.
func Hash(window uint32, bits uint8) uint32 { return window * Multiplier >> (32 - bits) }

// Multiplier is that of Hash: 2^32 over the golden ratio (Knuth, TAOCP 6.4).
const Multiplier = 0x9E3779B1

// Set holds all tables.
type Set struct {
	Chars  [Chars + 1]Char // the last is 0
	Groups []Group
}

// Group holds the tables of the languages that share a script.
type Group struct {
	Languages []string // one a lane; the lane behind them is that of no language
	Prior     []uint8  // cost that each language has before anything is read
	Bits      uint8    // there are 1<<Bits rows
	Rows      []uint64 // of Width words each
	Marks     []uint64 // rows of Width words each; the first is 0
}

// Width returns the number of words of a row.
func (g *Group) Width() int { return (len(g.Languages) + 1 + Lanes - 1) / Lanes }

const magic = "sluice language profiles 1\n"

// Append appends the file of s to b: the magic, the characters, the groups, and
// the CRC-32 (IEEE) of all that. Numbers are little endian; costs are packed two
// to a byte, the even lane in the low half.
func Append(b []byte, s *Set) []byte {
	from := len(b)
	b = append(b, magic...)
	for _, c := range s.Chars {
		b = binary.LittleEndian.AppendUint16(b, uint16(c))
	}
	b = append(b, byte(len(s.Groups)))
	for i := range s.Groups {
		g := &s.Groups[i]
		b = append(b, byte(len(g.Languages)), g.Bits, byte(len(g.Marks)/g.Width()))
		for l, name := range g.Languages {
			b = append(b, g.Prior[l], byte(len(name)))
			b = append(b, name...)
		}
		b = pack(pack(b, g.Rows), g.Marks)
	}
	return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b[from:]))
}

const nibbles = 0x0f0f0f0f0f0f0f0f

func pack(b []byte, words []uint64) []byte {
	for _, w := range words {
		for i := 0; i < Lanes; i += 2 {
			b = append(b, byte(w>>(8*i))&MaxCost|byte(w>>(8*i+8))<<4)
		}
	}
	return b
}

// Parse reads the file that Append makes. It refuses a file that was cut or
// changed.
func Parse(b []byte) (*Set, error) {
	if len(b) < len(magic)+4 || string(b[:len(magic)]) != magic {
		return nil, fmt.Errorf("language profiles: the file does not begin with %q: write it anew by go generate ./internal/text/lang", magic)
	}
	body := b[:len(b)-4]
	if got, want := crc32.ChecksumIEEE(body), binary.LittleEndian.Uint32(b[len(body):]); got != want {
		return nil, fmt.Errorf("language profiles: checksum %08x, the file says %08x: write it anew by go generate ./internal/text/lang", got, want)
	}
	r := reader{b: body[len(magic):]}
	s := &Set{}
	for i := range s.Chars {
		s.Chars[i] = Char(binary.LittleEndian.Uint16(r.take(2)))
	}
	s.Groups = make([]Group, r.take(1)[0])
	for i := range s.Groups {
		r.group(&s.Groups[i])
	}
	if r.short || len(r.b) > 0 {
		return nil, errors.New("language profiles: the file's tables do not have the size that its heads give: write it anew by go generate ./internal/text/lang")
	}
	return s, nil
}

// reader takes values from b. Where b is too short it gives zeros and sets
// short.
type reader struct {
	b     []byte
	short bool
}

func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.short, r.b = true, nil
		return make([]byte, n)
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) group(g *Group) {
	head := r.take(3)
	g.Bits = head[1] & 31
	for range head[0] {
		l := r.take(2)
		g.Prior = append(g.Prior, l[0])
		g.Languages = append(g.Languages, string(r.take(int(l[1]))))
	}
	g.Rows = r.words(g.Width() << g.Bits)
	g.Marks = r.words(g.Width() * int(head[2]))
}

func (r *reader) words(n int) []uint64 {
	if n > len(r.b)/(Lanes/2) {
		r.short, r.b = true, nil
		return nil
	}
	out := make([]uint64, n)
	for i := range out {
		w := uint64(binary.LittleEndian.Uint32(r.take(Lanes / 2)))
		w = (w | w<<16) & 0x0000ffff0000ffff
		w = (w | w<<8) & 0x00ff00ff00ff00ff
		out[i] = (w | w<<4) & nibbles
	}
	return out
}
