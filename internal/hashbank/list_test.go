package hashbank

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/listfile"
)

func TestParse(t *testing.T) {
	entry := func(hash string, line int32) Entry { return Entry{Hash: hash, Weight: 1, Line: line, Distance: -1} }
	negative := entry("22", 2)
	negative.Negative = true
	full := Entry{Hash: "0x1f", Note: "a, b", Weight: 2.5, Line: 2, Distance: 3, Negative: true}
	for _, c := range []struct {
		name, data string
		want       []Entry
		err        string
	}{
		{"a.txt", "\ufeff11\n! 22\r\n\n# a comment\n#comment\n33", []Entry{entry("11", 1), negative, entry("33", 6)}, ""},
		{"a.csv", "note,Hash,negative,weight,distance,extra\n\"a, b\",0x1f,TRUE,2.5,3,x\n,11\n", []Entry{full, entry("11", 3)}, ""},
		{"a.yaml", "- 11\n- !!str 33\n- {hash: 0x1f, note: \"a, b\", negative: yes, weight: 2.5, distance: 3}\n", []Entry{entry("11", 1), entry("33", 2), {"0x1f", "a, b", 2.5, 3, 3, true}}, ""},
		{"a.yaml", "", nil, ""},
		{"a.csv", "", nil, ""},
		{"a.csv", "hash\n\" \"\n", nil, "line 2: no hash; delete the line, or write one"},
		{"a.csv", "term\nx\n", nil, "line 1: no column \"hash\" in the header \"term\"; name the column with each hash so, or use a .txt file"},
		{"a.csv", "hash,hash\n", nil, "line 1: the column \"hash\" is there twice; delete one"},
		{"a.csv", "hash\na\"b\n", nil, "line 2: bare \" in non-quoted-field; quote fields that hold quotes or commas"},
		{"a.csv", "hash,weight,distance,negative\n1,NaN,x,maybe\n", nil, "line 2: the weight \"NaN\" is not a number from -1e+06 to 1e+06\n" +
			"line 2: the distance \"x\" is not a number of bits, such as 3\nline 2: negative is \"maybe\": write true or false"},
		{"a.txt", "!\n", nil, "line 1: no hash; delete the line, or write one"},
		{"a.txt", "\xff", nil, "line 0: the file is not UTF-8; convert it"},
		{"a.yml", "a: 1", nil, "line 1: a bank is a YAML sequence: begin each hash with \"- \""},
		{"a.yml", "- {hsh: 1}", nil, "line 1: no key of a hash is called \"hsh\": use hash, weight, distance, negative, note"},
		{"a.yml", "- [1]", nil, "line 1: a hash is a single value or a map with the keys hash, weight, distance, negative, note"},
		{"a.yml", "- 1\n- \"", nil, "line 2: found unexpected end of stream"},
		{"a.txt", strings.Repeat("x", 300), nil, "line 1: a hash of 300 characters; the longest is 256"},
	} {
		got, err := Parse(c.name, []byte(c.data))
		switch {
		case c.err == "":
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%s %q: %+v, %v, want %+v", c.name, c.data, got, err, c.want)
			}
		case err == nil || err.Error() != c.err:
			t.Errorf("%s %q: error %v, want %s", c.name, c.data, err, c.err)
		}
	}
	if got, err := FromLines([]string{"11", "!22"}); err != nil || !slices.Equal(got, []Entry{entry("11", 1), negative}) {
		t.Errorf("FromLines: %+v, %v", got, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("11\n!22\n# x\n"), "a.txt")
	f.Add([]byte("hash,negative\n1,true\n\"2\n3\",\n"), "a.csv")
	f.Add([]byte("- 1\n- {hash: 2, weight: 1e9}\n- &a [*a]\n"), "a.yaml")
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		entries, err := Parse(name, data)
		var errs listfile.Errors
		if err != nil && (!errors.As(err, &errs) || len(errs) > listfile.MaxErrors+1) {
			t.Fatalf("%v", err)
		}
		for _, e := range entries {
			if e.Hash == "" || len(e.Hash) > MaxHash || e.Line < 1 || e.Distance < -1 || e.Distance > 255 || e.Weight != e.Weight {
				t.Fatalf("%+v", e)
			}
		}
	})
}
