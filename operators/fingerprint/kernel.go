package fingerprint

import (
	"github.com/sluicehq/sluice/internal/text"
	"github.com/sluicehq/sluice/internal/text/minhash"
	"github.com/sluicehq/sluice/internal/text/simhash"
	"github.com/sluicehq/sluice/internal/text/token"
)

// short is the least number of tokens from which the bands of MinHash are over
// shingles of tokens alone. In a shorter post one changed word is in too many
// of them.
const short = 7

// kernel makes the fingerprints of one post after another, for one goroutine.
// The memory is used again.
type kernel struct {
	features []uint64 // the post's tokens, then their shingles
	n        int      // tokens
	first    int      // the first token that counts, by its number in the post
	of       int      // tokens in the shingles that features has, or 0
	set      minhash.Set
	text     []byte
}

// rt is the hash of the word that marks a repost.
var rt = token.Hash([]byte("rt"))

// tokens takes the tokens of one post: those that are content, without the
// marks of a repost before them.
func (k *kernel) tokens(hash []uint64, kind []uint8) {
	if need := 2 * len(hash); cap(k.features) < need {
		k.features = make([]uint64, 0, 2*need)
	}
	k.first, k.of = 0, 0
	for len(hash) >= k.first+2 && hash[k.first] == rt && kind[k.first] == uint8(text.Word) && kind[k.first+1] == uint8(text.Mention) {
		k.first += 2
	}
	hash, kind = hash[k.first:], kind[k.first:]
	f := k.features[:len(hash)]
	n := 0
	for i, h := range hash {
		f[n] = h
		n += content[kind[i]]
	}
	k.features, k.n = f[:n], n
}

// hashes returns text_hash and simhash.
func (k *kernel) hashes(shingle int) (exact, sim uint64) {
	exact = simhash.Exact(k.features)
	if shingle > 1 {
		k.features, k.of = simhash.Shingles(k.features, k.features, shingle), shingle
	}
	return exact, simhash.Of(k.features)
}

// bands writes the bands of the post, which has some tokens, into dst. Of a short
// post every second one is over runs of characters, if there are any beside
// hashtags: the others are over tokens, so that a post and a copy of it that was
// cut below that length still have bands in common. Fewer tokens than a shingle
// has are one shingle.
func (k *kernel) bands(dst []uint32, c *MinHash, p *post) {
	step := 1
	if k.n < short && len(dst) > 1 {
		if chars := k.chars(p); len(chars) > 0 {
			k.set.Reset()
			k.set.AddChars(chars)
			k.set.Bands(dst, c.Rows, 1, 2)
			step = 2
		}
	}
	of := min(c.Shingle, k.n)
	f := k.features[:k.n]
	if of > 1 {
		if k.of != of { // not those of SimHash
			k.features = simhash.Shingles(f, f, of)
		}
		f = k.features[k.n:]
	}
	k.set.Reset()
	k.set.Add(f)
	k.set.Bands(dst, c.Rows, 0, step)
}

// post is where the tokens of a post are in its folded text.
type post struct {
	folded     []byte
	kind       []uint8
	start, end []uint32
}

// chars returns the characters of the post's words, with a blank between those
// that do not overlap; valid until the next call. Hashtags stay away: many
// unlike posts have one in common, and a long one is most of a short post's
// characters.
func (k *kernel) chars(p *post) []byte {
	k.text = k.text[:0]
	from, to := uint32(0), uint32(0) // of the folded text: what is not in k.text yet
	for i := k.first; i < len(p.kind); i++ {
		kind := p.kind[i]
		if content[kind] == 0 || kind == uint8(text.Hashtag) {
			continue
		}
		start, end := p.start[i], p.end[i]
		switch {
		case from == to: // the first word
			from = start
		case start < to || start == to && kind == uint8(text.Bigram): // its first character is the second of the one before
		case start == to+1 && p.folded[to] == ' ':
		default:
			k.text = append(append(k.text, p.folded[from:to]...), ' ')
			from = start
		}
		to = max(to, end)
	}
	if len(k.text) == 0 { // Fast path: words with a blank between them
		return p.folded[from:to]
	}
	k.text = append(k.text, p.folded[from:to]...)
	return k.text
}

// content is 1 for the kinds of tokens that are fingerprinted.
var content = func() (c [256]int) {
	for k := range c {
		if text.Kind(k).Content() {
			c[k] = 1
		}
	}
	return c
}()
