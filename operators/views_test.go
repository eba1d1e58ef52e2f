package operators_test

import (
	"slices"
	"strings"
	"testing"
)

// TestViews checks what lists of each view see, with which view and disguise
// each hit is reported, and that each occurrence is reported once.
func TestViews(t *testing.T) {
	text := "zorvath, z0rvath; z\u043ervath z o r v a t h zor\u200bvath zooorvath #z0rvath krelling d4wn krell\u0456ng dawn http://z0rvath.example/"
	want := map[string][]string{
		"folded":   {"zorvath folded ", "zor\u200bvath folded "},
		"skeleton": {"zorvath folded ", "z\u043ervath skeleton homoglyph", "zor\u200bvath folded ", "krell\u0456ng dawn skeleton homoglyph"},
		"squeezed": {
			"zorvath folded ", "z0rvath squeezed leet", "z\u043ervath skeleton homoglyph", "z o r v a t h squeezed spaced", "zor\u200bvath folded ",
			"zooorvath squeezed repeated", "z0rvath squeezed leet", "krelling d4wn squeezed leet", "krell\u0456ng dawn skeleton homoglyph",
		},
	}
	for view, hits := range want {
		var got []string
		for _, h := range findAll(t, []string{"zorvath", "krelling dawn"}, view, []string{text})[0] {
			got = append(got, strings.Join([]string{text[h.start:h.end], h.view, h.disguise}, " "))
		}
		if !slices.Equal(got, hits) {
			t.Errorf("%s:\n got %q\nwant %q", view, got, hits)
		}
	}
}
