package disguise

import (
	"math/bits"
	"slices"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text/token"
)

// Limits of terms. What is beyond them is found as it is written only.
const (
	minLetters = 3  // of a word that is looked for in disguise
	maxRuns    = 60 // runs of equal letters of a word, and units of a place in the text
	maxWords   = 16 // of a phrase
)

// word is a distinct word of the terms.
type word struct {
	at     uint32 // its letters begin at arena[at]
	length uint8  // letters
	beside uint8  // mark of the key of the last letter but one
	next   uint32 // the next word of the same key, or 0
	masked uint32 // the next word of the same first and last letter and length, or 0
}

// use is a term that a word is in.
type use struct {
	term   uint32 // the caller's number
	phrase uint32 // phrases[phrase] is its first word, where it has several
	words  uint8
	place  uint8 // of the word in the term
	spaced bool  // the word is all words of a phrase: it counts where its letters are spaced apart
}

// Set is an immutable set of terms to be found in disguise.
type Set struct {
	arena   []rune
	words   []word // words[0] is none
	slots   []slot // open addressing by key; first the keys, then the ends
	shift   uint
	filter  []uint64 // bitmap over the keys
	uses    []use    // by word
	first   []uint32 // uses[first[w]:first[w+1]] are those of word w
	phrases []uint32 // words of the phrases
}

// slot is the head of a chain of words of one key. The tag is the key's low half:
// words of two keys that share it and their place are in one chain, which costs
// time only, since each is verified.
type slot struct{ tag, word uint32 }

// Len returns the number of distinct words.
func (s *Set) Len() int { return max(len(s.words)-1, 0) }

// letters returns the letters of a word.
func (s *Set) letters(w uint32) []rune {
	e := &s.words[w]
	return s.arena[e.at : e.at+uint32(e.length)]
}

// The seeds of keys: whole words, and words of which only the ends are known.
const (
	seedWhole = 0x9fb21c651e98df25
	seedEnds  = 0xc2b2ae3d27d4eb4f
	seedHead  = 0x165667b19e3779f9
)

func mixRune(h uint64, r rune) uint64 { return token.Mix(h^uint64(r), 0xa0761d6478bd642f) }

// wholeKey returns the key of a word: the keys of its letters, runs collapsed.
func wholeKey(word []rune) uint64 {
	h, last := uint64(seedWhole), rune(-1)
	for _, r := range word {
		if k := keyOf(r); k != last {
			h, last = mixRune(h, k), k
		}
	}
	return h
}

// mark returns a byte of a key that is not 0: those of two keys may be the same.
func mark(key rune) uint8 { return uint8(key*0x9d>>3) | 1 }

// endsKey returns the key of a word by its length, its first letter and
// another: its last one (seedEnds) or its second one (seedHead).
func endsKey(seed uint64, length int, first, second rune) uint64 {
	return mixRune(mixRune(seed+uint64(length), first), second)
}

// Builder makes a Set.
type Builder struct {
	set   Set
	known map[string]uint32
	uses  []wordUse
}

// wordUse is a use of a word.
type wordUse struct {
	word uint32
	use  use
}

// NewBuilder returns a builder of an empty set.
func NewBuilder() *Builder {
	return &Builder{set: Set{words: make([]word, 1)}, known: map[string]uint32{}}
}

// Add adds the term with the caller's number id. Its words are folded, letters
// and apostrophes only. Terms that are too short or too long are left out; it
// reports whether the term was added.
func (b *Builder) Add(id uint32, words [][]byte) bool {
	if len(words) == 0 || len(words) > maxWords {
		return false
	}
	long := false
	for _, w := range words {
		n, runs, ok := measure(w)
		if !ok || runs > maxRuns || n > 255 {
			return false
		}
		long = long || n >= minLetters
	}
	if !long {
		return false
	}
	if len(words) > 1 {
		all := slices.Concat(words...)
		if n, runs, _ := measure(all); runs <= maxRuns && n <= 255 {
			b.uses = append(b.uses, wordUse{b.word(all), use{term: id, words: 1, spaced: true}})
		}
	}
	phrase := uint32(len(b.set.phrases))
	for i, w := range words {
		at := b.word(w)
		if len(words) > 1 {
			b.set.phrases = append(b.set.phrases, at)
		}
		if b.set.words[at].length >= minLetters {
			b.uses = append(b.uses, wordUse{at, use{term: id, phrase: phrase, words: uint8(len(words)), place: uint8(i)}})
		}
	}
	return true
}

// measure returns the letters and the runs of a word, and whether it has only
// letters.
func measure(w []byte) (n, runs int, ok bool) {
	last := rune(-1)
	for len(w) > 0 {
		r, size := utf8.DecodeRune(w)
		w = w[size:]
		switch formOf(r, glyphOf(r)) {
		case quote:
			continue
		case letter:
		default:
			return 0, 0, false
		}
		if r != last {
			runs, last = runs+1, r
		}
		n++
	}
	return n, runs, n > 0
}

// word returns the number of a word.
func (b *Builder) word(w []byte) uint32 {
	if n, ok := b.known[string(w)]; ok {
		return n
	}
	s := &b.set
	n, at := uint32(len(s.words)), len(s.arena)
	for _, r := range string(w) {
		if formOf(r, 0) != quote {
			s.arena = append(s.arena, r)
		}
	}
	s.words = append(s.words, word{at: uint32(at), length: uint8(len(s.arena) - at)})
	b.known[string(w)] = n
	return n
}

// Build returns the set. The builder must not be used afterwards.
func (b *Builder) Build() *Set {
	s := &b.set
	slices.SortStableFunc(b.uses, func(x, y wordUse) int { return int(x.word) - int(y.word) })
	s.first = make([]uint32, len(s.words)+1)
	s.uses = make([]use, len(b.uses))
	for i, u := range b.uses {
		s.uses[i] = u.use
		s.first[u.word+1]++
	}
	for i := range s.words {
		s.first[i+1] += s.first[i]
	}
	size := bits.Len(uint(3 * len(s.words))) // two keys a word: at most two of three are taken
	s.slots, s.shift = make([]slot, 1<<size), uint(64-size)
	s.filter = make([]uint64, 1<<max(size+2, 12)/64)
	for w := len(s.words) - 1; w > 0; w-- { // so that chains are in the order of the words
		if s.first[w] == s.first[w+1] {
			continue
		}
		letters := s.letters(uint32(w))
		s.words[w].next = s.place(wholeKey(letters), uint32(w))
		n := len(letters)
		s.words[w].beside = mark(keyOf(letters[max(n-2, 0)]))
		s.words[w].masked = s.place(endsKey(seedEnds, n, keyOf(letters[0]), keyOf(letters[n-1])), uint32(w))
	}
	b.known, b.uses = nil, nil
	s.arena, s.words, s.phrases = slices.Clip(s.arena), slices.Clip(s.words), slices.Clip(s.phrases)
	return s
}

// place makes w the head of the chain of key and returns the head before.
func (s *Set) place(key uint64, w uint32) (before uint32) {
	at := s.find(key)
	before = s.slots[at].word
	s.slots[at] = slot{uint32(key), w}
	bit := key & uint64(len(s.filter)*64-1)
	s.filter[bit/64] |= 1 << (bit % 64)
	return before
}

// find returns the slot of key, or a free one.
func (s *Set) find(key uint64) int {
	mask := len(s.slots) - 1
	i := int(key >> s.shift)
	for s.slots[i].word != 0 && s.slots[i].tag != uint32(key) {
		i = (i + 1) & mask
	}
	return i
}

// chain returns the first word of a key, or 0.
func (s *Set) chain(key uint64) uint32 {
	bit := key & uint64(len(s.filter)*64-1)
	if s.filter[bit/64]>>(bit%64)&1 == 0 {
		return 0
	}
	return s.slots[s.find(key)].word
}
