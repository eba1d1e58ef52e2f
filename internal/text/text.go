// Package text holds what the kernels for text share: the kinds of token and
// the version of Unicode. The kernels are pure functions over bytes in its
// subpackages:
//
//	fold     text -> folded view, and the map of its bytes to the original's
//	token    folded view -> tokens with hashes and spans
//	suffix   host name -> public suffix
//	simhash  token hashes -> SimHash and exact hash
//	minhash  shingle hashes -> MinHash bands
//	terms    token hashes -> hits of term lists: words and phrases
//	pattern  text -> hits of prefixes, wildcards, substrings, expressions, URLs
//	lang     text -> language, with a confidence
//	disguise text -> hits of words in disguise, the views skeleton and squeezed
//
// The generated tables come from the Unicode Character Database, whose files
// are not in the tree; set UCD to their folder (default: conformance/ucd in
// SLUICE_DATA) and run go generate.
package text

//go:generate go run ./gentables

// UnicodeVersion is the version of the Unicode Character Database that all
// tables below this package are generated from.
const UnicodeVersion = "17.0.0"

// Kind is the kind of a token, the element of the column tokens.kind.
type Kind uint8

// The kinds of token. The values are stored and must not be renumbered.
const (
	_       Kind = iota
	Word         // letters, marks and digits with at least one letter
	Number       // digits, with '.' and ',' between them
	Hashtag      // span and hash are of the name, without '#'
	Mention      // span and hash are of the handle, without '@'
	URL          // http://..., https://..., www..., and bare domains
	Emoji        // one emoji sequence
	Bigram       // two characters of a script without spaces, or one alone
	Cashtag      // span and hash are of the symbol, without '$'
	Email        // an e-mail address
	kinds
)

var kindNames = [kinds]string{"none", "word", "number", "hashtag", "mention", "url", "emoji", "bigram", "cashtag", "email"}

// String returns the kind's name in lower case.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Counted reports whether tokens of the kind enter the column token_count.
func (k Kind) Counted() bool { return k != URL && k != Emoji && k != Email && k != 0 }

// Content reports whether tokens of the kind enter fingerprints. Mentions,
// addresses and URLs do not: copies of a text differ in them first.
func (k Kind) Content() bool {
	return k == Word || k == Number || k == Hashtag || k == Bigram || k == Cashtag
}
