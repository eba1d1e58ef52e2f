package jsonscan

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/realdata"
)

// either lists what we do with the files of JSONTestSuite for which RFC 8259
// leaves the choice: true is accepted.
var either = map[string]bool{
	"i_number_double_huge_neg_exp.json": true, "i_number_huge_exp.json": true,
	"i_number_neg_int_huge_exp.json": true, "i_number_pos_double_huge_exp.json": true,
	"i_number_real_neg_overflow.json": true, "i_number_real_pos_overflow.json": true,
	"i_number_real_underflow.json": true, "i_number_too_big_neg_int.json": true,
	"i_number_too_big_pos_int.json": true, "i_number_very_big_negative_int.json": true,
	// Lone and reversed surrogates become U+FFFD.
	"i_object_key_lone_2nd_surrogate.json": true, "i_string_1st_surrogate_but_2nd_missing.json": true,
	"i_string_1st_valid_surrogate_2nd_invalid.json": true, "i_string_incomplete_surrogate_and_escape_valid.json": true,
	"i_string_incomplete_surrogate_pair.json": true, "i_string_incomplete_surrogates_escape_valid.json": true,
	"i_string_invalid_lonely_surrogate.json": true, "i_string_invalid_surrogate.json": true,
	"i_string_inverted_surrogates_U+1D11E.json": true, "i_string_lone_second_surrogate.json": true,
	// Bytes that are not UTF-8, other encodings, a byte order mark.
	"i_string_UTF-16LE_with_BOM.json": false, "i_string_UTF-8_invalid_sequence.json": false,
	"i_string_UTF8_surrogate_U+D800.json": false, "i_string_invalid_utf-8.json": false,
	"i_string_iso_latin_1.json": false, "i_string_lone_utf8_continuation_byte.json": false,
	"i_string_not_in_unicode_range.json": false, "i_string_overlong_sequence_2_bytes.json": false,
	"i_string_overlong_sequence_6_bytes.json": false, "i_string_overlong_sequence_6_bytes_null.json": false,
	"i_string_truncated-utf-8.json": false, "i_string_utf16BE_no_BOM.json": false,
	"i_string_utf16LE_no_BOM.json": false, "i_structure_UTF-8_BOM_empty_object.json": false,
	"i_structure_500_nested_arrays.json": false, // deeper than MaxDepth
}

func TestJSONTestSuite(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(realdata.Path(t, "formats", "json_test_suite", "test_parsing"), "*.json"))
	if err != nil || len(files) < 300 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		name := filepath.Base(f)
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		want := strings.HasPrefix(name, "y_")
		if strings.HasPrefix(name, "i_") {
			var known bool
			if want, known = either[name]; !known {
				t.Errorf("%s: not in the table", name)
			}
		}
		if at, st := Valid(b); st.Failed() == want {
			t.Errorf("%s: %v at byte %d, want accepted %v", name, st, at, want)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, tc := range []struct {
		text string
		at   int
		want Status
	}{
		{``, 0, Truncated},
		{`  `, 2, Truncated},
		{`{"a":1`, 6, Truncated},
		{`{"a"`, 4, Truncated},
		{`{"a":tru`, 8, Truncated},
		{`[1,`, 3, Truncated},
		{`"abc`, 4, Truncated},
		{`"ab\`, 3, Truncated},
		{`"ab\u12`, 3, Truncated},
		{`1.`, 2, Truncated},
		{`-`, 1, Truncated},
		{`[1 2]`, 3, BadSyntax},
		{`{"a" 1}`, 5, BadSyntax},
		{`{a:1}`, 1, BadSyntax},
		{`[1}`, 2, BadSyntax},
		{`01`, 0, BadSyntax},
		{`1.x`, 2, BadSyntax},
		{`"a\x"`, 2, BadSyntax},
		{`"a\u12G4"`, 2, BadSyntax},
		{"\"a\x01\"", 2, BadSyntax},
		{"\"long enough a\x1f\"", 14, BadSyntax},
		{`{} x`, 3, BadSyntax},
		{"\"ab\xff\"", 3, BadUTF8},
		{"\"\xed\xa0\x80\"", 1, BadUTF8},
		{strings.Repeat("[", MaxDepth+1), MaxDepth, TooDeep},
		{strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth), 2 * MaxDepth, OK},
		{strings.Repeat(`{"a":`, 100_000), 5 * MaxDepth, TooDeep},
	} {
		if at, st := Valid([]byte(tc.text)); at != tc.at || st != tc.want {
			t.Errorf("%.40q: %v at %d, want %v at %d", tc.text, st, at, tc.want, tc.at)
		}
	}
}

// TestStringStops puts each byte value at each place of a long string: the word
// at a time search must agree with a search byte by byte.
func TestStringStops(t *testing.T) {
	for at := range 40 {
		for c := range 256 {
			b := []byte(strings.Repeat("x", 40) + `"`)
			b[at] = byte(c)
			end, st := String(b, 0)
			wantEnd, want := 40, OK
			switch {
			case c == '"':
				wantEnd = at
			case c == '\\' || c < 0x20:
				wantEnd, want = at, BadSyntax // \x is no escape
			case c >= 0x80:
				wantEnd, want = at, BadUTF8
			}
			if c == '\\' && at == 39 { // an escaped quote, and no end
				wantEnd, want = 41, Truncated
			}
			if end != wantEnd || st != want {
				t.Fatalf("byte %#x at %d: %v at %d, want %v at %d", c, at, st, end, want, wantEnd)
			}
		}
	}
}

// nesting returns how deep the arrays and objects of a valid text nest.
func nesting(b []byte) (deepest int) {
	depth, inString := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

// FuzzValid checks that we accept what encoding/json accepts if it is UTF-8 and
// not too deep, and that strings have the same text.
func FuzzValid(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,-2.5e+3,null,true,false,"x\u00e9\ud83d\ude22\n\/"],"b":{}}`, `"\ud800"`, `"\ud800\ud800\udc00x"`,
		` [ ] `, `{"":0}`, `"é€😢"`, "\"\x7f\"", `[1e]`, `-0`, "\xef\xbb\xbf{}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		at, st := Valid(b)
		want := json.Valid(b) && utf8.Valid(b)
		if want && nesting(b) > MaxDepth {
			if st != TooDeep {
				t.Fatalf("%q: %v at %d, want too deep", b, st, at)
			}
			return
		}
		if st.Failed() == want {
			t.Fatalf("%q: %v at %d, but encoding/json says valid=%v", b, st, at, want)
		}
		if at < 0 || at > len(b) {
			t.Fatalf("%q: position %d", b, at)
		}
		var s string
		if i := Space(b, 0); want && b[i] == '"' && json.Unmarshal(b, &s) == nil {
			end, _ := String(b, i+1)
			if got := string(AppendUnescaped(nil, b[i+1:end])); got != s {
				t.Fatalf("%q: %q, want %q", b, got, s)
			}
		}
	})
}
