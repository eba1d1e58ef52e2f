package model

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text"
	"github.com/sluicehq/sluice/internal/text/fold"
	"github.com/sluicehq/sluice/internal/text/token"
)

// Bounds of Features.
const (
	MaxWords  = 3
	MaxPiece  = 6
	MinBits   = 8
	MaxBits   = 20
	maxLetter = 24 // characters of a word that are cut into pieces
)

// Features says what a model looks at. A feature is a run of tokens or a piece
// of a word, known by the bucket that its hash falls into.
//
// Tokens are the words, numbers, hashtags, cashtags and bigrams of the view,
// emoji, and one stand-in each for mentions and for URLs, whoever and wherever
// they name. Pieces are runs of characters within a word, hashtag or number
// whose begin and end count as a character each; of a word of more than 24
// characters only the first 24 are cut.
type Features struct {
	// View is the text that is looked at: "folded" is all that this build knows.
	View string `json:"view"`
	// Words is the longest run of tokens, 1 to MaxWords; a post's tokens are
	// framed by one mark at each end where it is more than 1.
	Words int `json:"words"`
	// PieceMin and PieceMax are the lengths of pieces in characters, 2 to
	// MaxPiece; both are 0 for none.
	PieceMin int `json:"piece_min"`
	PieceMax int `json:"piece_max"`
	// Bits is the binary logarithm of the number of buckets.
	Bits int `json:"bits"`
	// Norm is what a post's sum of weights is divided by: "sqrt" is the square
	// root of its number of tokens, so that long posts do not outweigh short ones.
	Norm string `json:"norm"`
	// Text is what Probe gave when the model was trained. Other text kernels
	// make other hashes, for which the weights mean nothing.
	Text string `json:"text"`
}

// Check returns what this build cannot compute.
func (f *Features) Check() error {
	switch {
	case f.View != "folded":
		return fmt.Errorf("features.view is %q; this build knows folded", f.View)
	case f.Words < 1 || f.Words > MaxWords:
		return fmt.Errorf("features.words is %d; use 1 to %d", f.Words, MaxWords)
	case (f.PieceMin != 0 || f.PieceMax != 0) && (f.PieceMin < 2 || f.PieceMax < f.PieceMin || f.PieceMax > MaxPiece):
		return fmt.Errorf("features.piece_min and piece_max are %d and %d; use 2 to %d, or 0 and 0", f.PieceMin, f.PieceMax, MaxPiece)
	case f.Bits < MinBits || f.Bits > MaxBits:
		return fmt.Errorf("features.bits is %d; use %d to %d", f.Bits, MinBits, MaxBits)
	case f.Norm != "sqrt":
		return fmt.Errorf("features.norm is %q; this build knows sqrt", f.Norm)
	}
	return nil
}

// The constants of the features' hashes: odd, of random digits. Weights are
// stored by them, so they never change.
const (
	hashWord  = 0x9fb21c651e98df25
	hashRun   = 0xa24baed4963ee407
	hashPiece = 0xd6e8feb86659fd93
)

// Tokens that are not of the text. Their values only have to differ.
const (
	edgeToken    = 0x2545f4914f6cdd1d // before the first and behind the last
	mentionToken = 0x3c79ac492ba7b653
	urlToken     = 0x1c69b3f74ac4ae35
)

// use is what is done with a kind of token: its hash is h&keep | instead.
type use struct {
	keep, instead uint64
	cut           bool // into pieces
}

// uses is by kind; the element is a byte of the column tokens.kind.
var uses = func() (u [256]use) {
	for k := range u {
		u[k].keep = ^uint64(0)
	}
	for _, k := range []text.Kind{text.Word, text.Hashtag} {
		u[k].cut = true
	}
	u[text.Mention] = use{instead: mentionToken}
	u[text.URL], u[text.Email] = use{instead: urlToken}, use{instead: urlToken}
	return u
}()

// Post is a text and its tokens as the columns hold them: the spans are of
// Buf[From:], and Buf may go on behind the text.
type Post struct {
	Buf        []byte
	From       int
	Hash       []uint64
	Start, End []uint32
	Kind       []uint8
}

// word returns the bytes of token i.
func (p *Post) word(i int) []byte {
	return p.Buf[p.From+int(p.Start[i]) : p.From+int(p.End[i])]
}

// runHash adds a token to the hash of the tokens before it.
func runHash(before, tok uint64) uint64 {
	return (bits.RotateLeft64(before, 29) ^ tok) * hashRun
}

// bucket returns the bucket of a token's or a run's hash: all its bits are in
// the highest ones, for a multiplication made it.
func bucket(h uint64, shift uint) uint32 { return uint32(h >> shift) }

// AppendBuckets appends the bucket of each feature of p, in order, those that
// occur twice twice, and returns the number of tokens.
func (f *Features) AppendBuckets(dst []uint32, p *Post) (out []uint32, tokens int) {
	f.walk(p, func(_, _ int, _ kind, b uint32) { dst = append(dst, b) })
	return dst, len(p.Hash)
}

// kind is the kind of a feature.
type kind uint8

const (
	isWord kind = iota
	isRun
	isPiece
)

// walk calls add for each feature of p with the first and the last token that
// it is of; those of a run may be -1 or len(p.Hash), the edges. It is the plain
// form of what Scorer computes, for training and explanations.
func (f *Features) walk(p *Post, add func(first, last int, k kind, bucket uint32)) {
	shift := uint(64 - f.Bits)
	one, two := uint64(edgeToken), uint64(0) // the tokens before
	for i, h := range p.Hash {
		u := &uses[p.Kind[i]]
		h = h&u.keep | u.instead
		add(i, i, isWord, bucket(h, shift))
		if u.cut && f.PieceMax > 0 {
			f.pieces(p.word(i), func(b uint32) { add(i, i, isPiece, b) })
		}
		if f.Words > 1 {
			add(i-1, i, isRun, bucket(runHash(one, h), shift))
		}
		if f.Words > 2 && i > 0 {
			add(i-2, i, isRun, bucket(runHash(runHash(two, one), h), shift))
		}
		two, one = one, h
	}
	if n := len(p.Hash); f.Words > 1 && n > 0 {
		add(n-1, n, isRun, bucket(runHash(one, edgeToken), shift))
	}
}

// pieces calls add with the bucket of each piece of word.
func (f *Features) pieces(word []byte, add func(bucket uint32)) {
	var sp spelt
	sp.of(word)
	shift := uint(64 - f.Bits)
	for n := f.PieceMin; n <= f.PieceMax; n++ {
		for i := 0; i+n <= sp.n; i++ {
			from, to := sp.at[i], sp.at[i+n]
			add(uint32(pieceHash(&sp.text, from, to) >> shift))
		}
	}
}

// pieceHash returns the hash of the bytes text[from:to], at most 24: zeros
// behind them, which no text has, make the words equal where these are. Of
// pieces of up to 8 bytes it is one multiplication.
func pieceHash(text *[speltRoom]byte, from, to uint8) uint64 {
	n := uint(to - from)
	b := text[from : from+24 : from+24]
	x := binary.LittleEndian.Uint64(b) & masks[min(n, 8)]
	if n > 8 {
		x += (binary.LittleEndian.Uint64(b[8:]) & masks[min(n-8, 8)]) * hashRun
		if n > 16 {
			x += (binary.LittleEndian.Uint64(b[16:]) & masks[n-16]) * hashWord
		}
	}
	return x * hashPiece
}

// masks holds, by number, which bits of a word are of that many bytes.
var masks = [9]uint64{0, 1<<8 - 1, 1<<16 - 1, 1<<24 - 1, 1<<32 - 1, 1<<40 - 1, 1<<48 - 1, 1<<56 - 1, 1<<64 - 1}

const speltRoom = 4*maxLetter + 2 + 24 // 24: what pieceHash may read behind

// spelt is a word between its marks.
type spelt struct {
	text [speltRoom]byte
	at   [64 + 8]uint8 // where each character begins, and the end; a kernel writes 64, and reads 8 more
	n    int           // characters
}

// The marks of a word's begin and end. No folded text has controls.
const (
	beginMark = 1
	endMark   = 2
)

// of spells a word.
func (s *spelt) of(word []byte) {
	s.text[0] = beginMark
	n, i := 1, 0
	for ; i < len(word) && n <= maxLetter; n++ {
		s.at[n] = uint8(i + 1)
		if word[i] < utf8.RuneSelf {
			i++
			continue
		}
		_, size := utf8.DecodeRune(word[i:])
		i += size
	}
	copy(s.text[1:], word[:i])
	s.at[n] = uint8(i + 1)
	s.text[i+1] = endMark
	s.at[n+1] = uint8(i + 2)
	s.n = n + 1
}

// probe is a text of all kinds of token in several scripts.
const probe = "Zorvath's KRELLING-dawn, don't #RiseUp @someone $ZRV https://x.example/a?b=c me@mail.example 12,345.67 \U0001F525\U0001F44D\U0001F3FD " +
	"naïve Straße ﬁne ｆｕｌｌ “quoted” it’s &amp; foo_bar sooooo... ЗОРВАТ ёлка зорва́т زُورفات في الأخبار हिन्दी में 東京タワー ภาษาไทย κόσμος"

// Probe returns a digest of what the text kernels of this build make of a
// fixed text of many scripts: 16 hex digits. It differs when a model that was
// trained by other kernels would be fed with other hashes.
func Probe() string {
	var t token.Tokens
	folded := fold.Append(nil, []byte(probe))
	t.Append(folded, 0, len(folded))
	b := append([]byte(nil), folded...)
	for i, h := range t.Hash {
		b = binary.LittleEndian.AppendUint64(b, h)
		b = append(b, byte(t.Kind[i]))
	}
	return fmt.Sprintf("%016x", token.Hash(b))
}
