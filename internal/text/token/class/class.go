// Package class names the classes of characters by which text is cut into
// tokens, for the generator of the class tables and the kernel that reads them.
package class

// Class is what a character is to the tokenizer.
type Class uint8

// The classes. They follow the Word_Break property of UAX #29 where it matters
// to a search for words, less the classes whose characters folding removes.
const (
	Other      Class = iota // spaces, punctuation, symbols
	Letter                  // ALetter, Hebrew_Letter, and letters of all scripts with spaces
	Digit                   // Nd and No
	Mark                    // Extend: joins what stands before it
	Connector               // ExtendNumLet: '_' and the like join words
	Apostrophe              // MidNumLet: joins letters, and digits
	Dot                     // MidNumLet: joins digits here, and the labels of a domain
	MidLetter               // joins letters
	MidNumber               // joins digits
	Hash                    // '#'
	At                      // '@'
	Colon                   // ':'
	Spaceless               // letters of scripts that have no spaces between words
	Emoji                   // a pictograph
	Modifier                // a skin tone
	Regional                // half of a flag
	Joiner                  // the zero-width joiner, between two emoji
	Keycap                  // makes an emoji of the digit, '#' or '*' before it
	Tag                     // spells a flag behind a black flag
	Dollar                  // '$'
	Inner                   // goes on within a hashtag, though not within a word
	Count
)

// Limit is the first rune above the tables; see Beyond.
const Limit = 0x20000

// Beyond returns the class of a rune that is Limit or above: the planes 2 and
// 3 are Han, and there is nothing else but tags, and marks that folding removes.
func Beyond(r rune) Class {
	switch {
	case r < 0x40000:
		return Spaceless
	case r >= 0xE0020 && r <= 0xE007F:
		return Tag
	}
	return Other
}
