package token

import (
	"bytes"
	"math"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/text/fold"
	"github.com/sluicehq/sluice/internal/text/suffix"
	"github.com/sluicehq/sluice/internal/text/token/class"
)

// punycode begins labels in Punycode (RFC 5890, section 2.3.2.1).
const punycode = "xn--"

// The parameters of Punycode (RFC 3492, section 5), and the longest label that is
// decoded.
const (
	puBase, puMin, puMax, puSkew, puDamp = 36, 1, 26, 38, 700

	puBias, puFirst = 72, 0x80
	puLongest       = 1024
)

// decoder decodes names with labels in Punycode. It is for one goroutine; the zero
// value is ready.
type decoder struct {
	runes   []rune
	decoded []byte
}

// append appends a folded host name to dst with its labels in Punycode decoded
// and folded; see DecodeLabels.
func (d *decoder) append(dst, name []byte) []byte {
	for {
		label, rest, more := bytes.Cut(name, []byte{'.'})
		dst = d.label(dst, label)
		if !more {
			return dst
		}
		dst, name = append(dst, '.'), rest
	}
}

// label appends a label, decoded and folded where that makes a label.
func (d *decoder) label(dst, label []byte) []byte {
	if !suffix.IsEncoded(label) || !d.punycode(label[len(punycode):]) {
		return append(dst, label...)
	}
	d.decoded = d.decoded[:0]
	beyond := rune(0)
	for _, r := range d.runes {
		d.decoded = utf8.AppendRune(d.decoded, r)
		beyond |= r
	}
	n := len(dst)
	dst = fold.Append(dst, d.decoded)
	// A label of ASCII is not to be in Punycode.
	if beyond < utf8.RuneSelf || len(dst) == n || bytes.ContainsFunc(dst[n:], notOfLabel) {
		return append(dst[:n], label...)
	}
	return dst
}

// punycode decodes a label, less its beginning, into runes, and reports whether
// it is one: RFC 3492, section 6.2. What is in it beyond ASCII stays as it is.
func (d *decoder) punycode(label []byte) bool {
	d.runes = d.runes[:0]
	hyphen := bytes.LastIndexByte(label, '-')
	if hyphen == 0 {
		return false
	}
	if hyphen > 0 {
		for _, r := range string(label[:hyphen]) {
			d.runes = append(d.runes, r)
		}
	}
	n, bias, i := uint64(puFirst), uint64(puBias), uint64(0)
	for at := hyphen + 1; at < len(label); i++ {
		before, weight := i, uint64(1)
		for k := uint64(puBase); ; k += puBase {
			if at == len(label) {
				return false
			}
			digit := puDigits[label[at]]
			at++
			if i += uint64(digit) * weight; digit >= puBase || i > math.MaxInt32 {
				return false
			}
			least := min(max(k, bias+puMin)-bias, puMax)
			if uint64(digit) < least {
				break
			}
			if weight *= puBase - least; weight > math.MaxInt32 {
				return false
			}
		}
		length := uint64(len(d.runes)) + 1
		if length > puLongest {
			return false
		}
		bias = puAdapt(i-before, length, before == 0)
		n += i / length
		i %= length
		if n > utf8.MaxRune {
			return false
		}
		d.runes = append(d.runes, 0)
		copy(d.runes[i+1:], d.runes[i:])
		d.runes[i] = rune(n)
	}
	return true
}

// puAdapt returns the bias of the next number: RFC 3492, section 6.1.
func puAdapt(delta, length uint64, first bool) (bias uint64) {
	if first {
		delta /= puDamp
	} else {
		delta /= 2
	}
	delta += delta / length
	for ; delta > (puBase-puMin)*puMax/2; bias += puBase {
		delta /= puBase - puMin
	}
	return bias + (puBase-puMin+1)*delta/(delta+puSkew)
}

// puDigits holds the digits of Punycode; of other bytes a number beyond them.
var puDigits = func() (d [256]uint8) {
	for b := range d {
		d[b] = puBase
	}
	for i := range 26 {
		d['a'+i], d['A'+i] = uint8(i), uint8(i)
	}
	for i := range 10 {
		d['0'+i] = uint8(26 + i)
	}
	return d
}()

// DecodeLabels returns a folded host name with its labels in Punycode decoded
// and folded. A label that stands for nothing, or for more than letters, digits,
// marks and hyphens, stays as it is.
func DecodeLabels(name string) string {
	var d decoder
	return string(d.append(nil, []byte(name)))
}

// notOfLabel reports whether r is of no label.
func notOfLabel(r rune) bool {
	c := classOf(r)
	return r != '-' && c != class.Letter && c != class.Digit && c != class.Mark && c != class.Spaceless
}
