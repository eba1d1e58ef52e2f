package lang

import (
	"sync"

	"golang.org/x/text/language"
)

// Codes knows the codes of languages. It does not change and may be shared.
type Codes struct {
	// By the letters of a code of two or three, the code that stands for the
	// language, "" where there is none.
	normal [27 * 27 * 27]string
}

// same holds codes that stand for another here, beyond those that BCP 47 calls
// deprecated or longer than need be: the code that Detect returns for the same.
var same = map[string]string{"no": "nb", "fil": "tl"}

// AllCodes returns the codes of ISO 639 as package language of x/text knows them,
// without those of no language: und, mul, mis, zxx, art, and qaa to qtz, which
// are for private use (Twitter has qme, qst, qam, qht and more).
//
// They are made once for the process.
var AllCodes = sync.OnceValue(func() *Codes {
	c := &Codes{}
	for a := byte('a'); a <= 'z'; a++ {
		for b := byte('a'); b <= 'z'; b++ {
			c.add(string([]byte{a, b}))
			for d := byte('a'); d <= 'z'; d++ {
				c.add(string([]byte{a, b, d}))
			}
		}
	}
	return c
})

func (c *Codes) add(code string) {
	switch code {
	case "und", "mul", "mis", "zxx", "art":
		return
	}
	if len(code) == 3 && code >= "qaa" && code <= "qtz" {
		return
	}
	base, err := language.ParseBase(code)
	if err != nil {
		return
	}
	normal := base.String()
	if tag, err := language.Deprecated.Canonicalize(language.Make(code)); err == nil {
		b, _ := tag.Base()
		normal = b.String()
	}
	if s, ok := same[normal]; ok {
		normal = s
	}
	c.normal[position([]byte(code))] = normal
}

// position returns where a code of two or three letters is in Codes.normal.
func position(code []byte) int {
	n := 0
	for _, b := range code {
		n = n*27 + int(b|0x20-'a') + 1
	}
	if len(code) == 2 {
		n *= 27
	}
	return n
}

// Normal returns the language of a BCP 47 tag: its primary subtag in lower case,
// or the code that stands for it (iw is he, eng is en, no is nb). It returns ""
// where that is the code of no language.
func (c *Codes) Normal(tag []byte) string {
	n := 0
	for n < len(tag) && tag[n] != '-' && tag[n] != '_' {
		if b := tag[n] | 0x20; n == 3 || b < 'a' || b > 'z' {
			return ""
		}
		n++
	}
	if n < 2 {
		return ""
	}
	return c.normal[position(tag[:n])]
}
