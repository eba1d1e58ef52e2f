// Package disguise finds words that are hidden from filters but not from
// readers: z0rvath, z o r v a t h, zоrvаth with Cyrillic letters, zooorvath,
// z*rvath, ᴢᴏʀᴠᴀᴛʜ, ɥʇɐʌɹoz and so on.
//
// It works in four steps, each for what the one before it has left:
//
//  1. The scan (scan.go) looks at all bytes, by masks of 64 bits, for places
//     that a disguise may be at: digits and symbols among letters, letters of
//     two scripts side by side, three equal letters in a row, three single
//     letters in a row, and characters that are mostly used so.
//  2. The reader (read.go) cuts the text around such a place into units, one
//     for each character or run of equal ones, and the units into words. URLs,
//     e-mail addresses and mentions are passed over.
//  3. A word's key (set.go) is a hash of the classes of its letters, runs
//     collapsed, where letters that one character may stand for are of one
//     class. The terms' words of this key are the candidates.
//  4. Each candidate is verified (verify.go), letter by letter. So it does not
//     matter that 1 may be i or l: both words are tried, and the hit has the
//     exact bytes and the kinds of disguise.
//
// What one place costs is bounded (window, maxRuns, maxCandidates), so that time
// is linear in the text whatever it is and whatever the terms are.
//
// # Precision
//
// A run of a letter counts as repeated from three on, or where all letters of
// the word are doubled: "good" is not "god". Letters that are spaced apart have
// one and the same thing between them, and a term takes the whole run of them,
// but for words of one letter at its ends. Parts of words and neighbouring words
// are never joined, but for the words of a phrase that is spaced out as a whole. Amounts, ordinals and versions (4th, 100k, covid19) are not
// words in leet. A word wholly written in look-alikes of another script counts
// only in a text of the term's script. Honest letters of one alphabet do not
// stand for one another; Arabic letters do not either, but for those that Arabic
// itself does not have. At most half of a word's letters may be masked, and not
// the first or last.
//
// # What is not found
//
// Wrong spelling (letters left out, swapped or replaced by sound), words
// without the blanks between them, an @ in place of a first letter (a mention),
// capital I for l, and rn for m.
package disguise
