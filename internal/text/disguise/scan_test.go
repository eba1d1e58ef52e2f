package disguise

import (
	"strings"
	"testing"
)

// TestOverBlocks checks that a character that begins in one block of the scan and
// ends in the next one is seen, whatever stands before it in the block.
func TestOverBlocks(t *testing.T) {
	var v Viewer
	for _, before := range []string{"", "ԁ", "ҫ", "漢", "é", "ا"} {
		for _, word := range []string{"оrvath", "zоrvath", "ԁоz", "ааbb"} {
			for pad := range 140 {
				text := before + strings.Repeat(" ", 1+pad) + word
				if got := v.Count([]byte(text)); got != 1 {
					t.Errorf("%q: %d words of several scripts, want 1", text, got)
				}
			}
		}
	}
}
