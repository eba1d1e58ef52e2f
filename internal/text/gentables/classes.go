package main

import (
	"bytes"
	"fmt"

	"github.com/sluicehq/sluice/internal/text/token/class"
)

// spaceless lists the scripts that are written without spaces between words:
// their text is cut into bigrams.
var spaceless = map[string]bool{
	"Han": true, "Hiragana": true, "Katakana": true,
	"Thai": true, "Lao": true, "Khmer": true, "Myanmar": true,
}

func (u *ucd) class(r rune) class.Class {
	switch r {
	case '\'':
		return class.Apostrophe
	case '.':
		return class.Dot
	case ',', 0x066C, 0x066B:
		return class.MidNumber
	case 0x00B7, 0x05F4, 0x05F3, 0x055F, 0x2027: // WordBreakProperty MidLetter but for the colon; geresh
		return class.MidLetter
	case '#':
		return class.Hash
	case '@':
		return class.At
	case ':':
		return class.Colon
	case '$':
		return class.Dollar
	case 0x200D:
		return class.Joiner
	case 0x20E3:
		return class.Keycap
	// What Twitter lets be in a hashtag, though it is in no word: maqaf, wave
	// dash, the double hyphen and middle dot of kana, ditto, tsheg, payerok.
	case '~', 0x05BE, 0x301C, 0x30A0, 0x30FB, 0x3003, 0x0F0B, 0xA67E:
		return class.Inner
	case 0x30FC, 0x3005, 0x3006, 0x3007, 0x303B, // marks of repetition and length, script Common
		0x3031, 0x3032, 0x3033, 0x3034, 0x3035:
		return class.Spaceless
	}
	switch {
	case u.emojiMod[r]:
		return class.Modifier
	case r >= 0x1F1E6 && r <= 0x1F1FF:
		return class.Regional
	case u.emoji[r] && r >= 0x80:
		return class.Emoji
	}
	switch u.category[r] {
	case "Lu", "Ll", "Lt", "Lm", "Lo", "Nl":
		if spaceless[u.script[r]] {
			return class.Spaceless
		}
		return class.Letter
	case "Nd", "No":
		return class.Digit
	case "Mn", "Mc", "Me":
		return class.Mark
	case "Pc":
		return class.Connector
	}
	return class.Other
}

func writeClasses(u *ucd, b *bytes.Buffer) {
	table := make([]class.Class, class.Limit)
	for r := range rune(class.Limit) {
		table[r] = u.class(r)
	}
	for r := rune(class.Limit); r <= maxRune; r++ {
		if got, want := class.Beyond(r), u.class(r); want != class.Other && u.category[r] != "" && got != want && u.category[r] != "Mn" {
			panic(fmt.Sprintf("class.Beyond(%U) = %d, want %d", r, got, want))
		}
	}
	header(b, "token")
	b.WriteString("import \"github.com/sluicehq/sluice/internal/text/token/class\"\n\n")
	writeArray(b, "low holds the classes of U+0000 to U+07FF: one and two bytes of UTF-8.", "low", "class.Class", "%d", table[:0x800])
	index, data := blocks(table)
	writeArray(b, "index maps a rune / 64 to a block of classes.", "index", "uint16", "%d", index)
	writeArray(b, "classes holds blocks of 64 classes.", "classes", "class.Class", "%d", data)
}
