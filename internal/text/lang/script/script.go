// Package script names the scripts that tell of languages, for the generator of
// the table of scripts and the kernel that reads it.
package script

// Script is the script of a letter.
type Script uint8

// The scripts. None is what no letter has: spaces, signs, and also vowel signs
// and other marks, which are counted with their letters.
const (
	None Script = iota
	Latin
	Cyrillic
	Arabic
	Devanagari
	// From here on the script decides.
	Han
	Kana // Hiragana and Katakana
	Hangul
	Greek
	Hebrew
	Armenian
	Georgian
	Thai
	Lao
	Khmer
	Myanmar
	Tibetan
	Sinhala
	Bengali
	Gurmukhi
	Gujarati
	Oriya
	Tamil
	Telugu
	Kannada
	Malayalam
	Ethiopic
	Thaana
	Other // all others
	Count
)

// Limit is the first rune above the table; see Beyond.
const Limit = 0x20000

// Beyond returns the script of a rune that is Limit or above: the planes 2 and 3
// are Han, and there are no other letters.
func Beyond(r rune) Script {
	if r < 0x40000 {
		return Han
	}
	return None
}

// Names holds the names of scripts in the Unicode Character Database.
var Names = map[string]Script{
	"Latin": Latin, "Cyrillic": Cyrillic, "Arabic": Arabic, "Devanagari": Devanagari, "Han": Han, "Hiragana": Kana, "Katakana": Kana,
	"Hangul": Hangul, "Greek": Greek, "Hebrew": Hebrew, "Armenian": Armenian, "Georgian": Georgian, "Thai": Thai, "Lao": Lao,
	"Khmer": Khmer, "Myanmar": Myanmar, "Tibetan": Tibetan, "Sinhala": Sinhala, "Bengali": Bengali, "Gurmukhi": Gurmukhi,
	"Gujarati": Gujarati, "Oriya": Oriya, "Tamil": Tamil, "Telugu": Telugu, "Kannada": Kannada, "Malayalam": Malayalam,
	"Ethiopic": Ethiopic, "Thaana": Thaana, "Common": None, "Inherited": None,
}

// Languages holds the language of each script that decides; "" for the others.
// Some scripts have a second language that is not told apart: Yiddish is found
// as he, Tigrinya as am, Assamese as bn.
var Languages = [Count]string{
	Han: "zh", Kana: "ja", Hangul: "ko", Greek: "el", Hebrew: "he", Armenian: "hy", Georgian: "ka", Thai: "th", Lao: "lo", Khmer: "km",
	Myanmar: "my", Tibetan: "bo", Sinhala: "si", Bengali: "bn", Gurmukhi: "pa", Gujarati: "gu", Oriya: "or", Tamil: "ta", Telugu: "te",
	Kannada: "kn", Malayalam: "ml", Ethiopic: "am", Thaana: "dv",
}
