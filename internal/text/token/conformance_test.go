package token

import (
	"bufio"
	"iter"
	"maps"
	"os"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sluicehq/sluice/internal/realdata"
	"github.com/sluicehq/sluice/internal/text"
	"github.com/sluicehq/sluice/internal/text/fold"
)

func mapKeys[K comparable, V any](m map[K]V) iter.Seq[K] { return maps.Keys(m) }

// Why emoji of emoji-test.txt are not one token of the kind emoji.
const (
	foldsToLetters = "folding writes it as letters, which it shows"
	foldsToMarks   = "folding writes it as punctuation, which it is"
)

// TestEmoji holds emoji sequences against UTS #51's own list (emoji-test.txt of
// Unicode 17): each fully-qualified sequence is one token, alone and beside
// others, and the same token without its variation selectors.
func TestEmoji(t *testing.T) {
	file, err := os.Open(realdata.Path(t, "conformance", "ucd", "emoji-test.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	total, count := 0, map[string]int{}
	sc := bufio.NewScanner(file)
	for sc.Scan() {
		line, _, _ := strings.Cut(sc.Text(), "#")
		points, status, ok := strings.Cut(line, ";")
		if !ok || strings.TrimSpace(status) == "component" {
			continue
		}
		total++
		seq := codePoints(t, points)
		var toks Tokens
		folded := fold.Append(nil, seq)
		toks.Append(folded, 0, len(folded))
		bare := fold.Append(nil, []byte(strings.ReplaceAll(string(seq), selector, "")))
		if string(folded) != string(bare) && !strings.ContainsRune(string(seq), 0x20E3) {
			t.Errorf("%s: folds to %+q, without selectors to %+q", line, folded, bare)
		}
		if reason := emojiDeviation(&toks, folded); reason != "" {
			count[reason]++
			continue
		}
		if !isEmoji(&toks, 0, len(folded)) {
			t.Errorf("%s: %+q is %v %v", line, folded, toks.Kind, toks.End)
		}
		// Beside a word and itself; and as it is written.
		twice := append(append(append([]byte("word "), seq...), ' '), seq...)
		twice = fold.Append(nil, append(twice, ", x"...))
		toks.Reset()
		if row := toks.Append(twice, 0, len(twice)); row != (Row{End: 4, Emoji: 2}) {
			t.Errorf("%s: %+q has %v", line, twice, toks.Kind)
		}
		toks.Reset()
		toks.Append(seq, 0, len(seq))
		if !isEmoji(&toks, 0, len(seq)) {
			t.Errorf("%s: not folded it is %v %v", line, toks.Kind, toks.End)
		}
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
	if total < 5000 {
		t.Errorf("only %d sequences read", total)
	}
	logReasons(t, "emoji-test.txt", total, count)
	if want := map[string]int{foldsToLetters: 27, foldsToMarks: 4}; !maps.Equal(count, want) {
		t.Errorf("sequences that are no emoji: %v, want %v", count, want)
	}
}

// isEmoji reports whether the only token is an emoji from..to.
func isEmoji(toks *Tokens, from, to int) bool {
	return toks.Len() == 1 && toks.Kind[0] == text.Emoji && int(toks.Start[0]) == from && int(toks.End[0]) == to
}

// emojiDeviation returns why a folded emoji may be something else.
func emojiDeviation(toks *Tokens, folded []byte) string {
	switch {
	case string(folded) == "!!" || string(folded) == "!?":
		return foldsToMarks
	case toks.Len() == 1 && (toks.Kind[0] == text.Word || toks.Kind[0] == text.Bigram) && utf8.RuneCount(folded) <= 2:
		return foldsToLetters
	}
	return ""
}

// codePoints reads code points in hexadecimal.
func codePoints(t *testing.T, s string) (out []byte) {
	t.Helper()
	for f := range strings.FieldsSeq(s) {
		r, err := strconv.ParseUint(f, 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		out = utf8.AppendRune(out, rune(r))
	}
	return out
}
