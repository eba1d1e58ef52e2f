//go:build unix

package operators_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/operators/match"
	"github.com/sluicehq/sluice/pipeline"
)

// nested returns n lines: what line gives for 1 to n.
func nested(n int, line func(k int) string) string {
	var b strings.Builder
	for k := 1; k <= n; k++ {
		b.WriteString(line(k) + "\n")
	}
	return b.String()
}

// hostile are lists, and texts that make them work as hard as they can. The
// texts are what fill repeats.
var hostile = []struct{ name, list, fill string }{
	{"ordinary text", nested(10_000, func(k int) string { return fmt.Sprintf("term%d", k) }), "An ordinary sentence of some words, with nothing that a list has in it. "},
	{"a term in each word", "x\n", "x "},
	{"nested phrases", nested(60, func(k int) string { return strings.Repeat("a ", k) }), "a "},
	{"a long phrase, nearly", strings.Repeat("a ", 63) + "b\n", "a "},
	{"nested prefixes", nested(120, func(k int) string { return "prefix:a" + strings.Repeat("a", k) }), "a"},
	{"nested prefixes of words", nested(120, func(k int) string { return "prefix:a" + strings.Repeat("a", k) }), strings.Repeat("a", 60) + " "},
	{"nested substrings", nested(1000, func(k int) string { return "substring:aa" + strings.Repeat("a", k) }), "a"},
	{"nested substrings, nearly", nested(1000, func(k int) string { return "substring:aa" + strings.Repeat("a", k) + "b" }), "a"},
	{"substrings of one beginning", nested(10_000, func(k int) string { return fmt.Sprintf("substring:aaaaaaaa%d", k) }), "a"},
	{"wildcards", nested(100, func(k int) string { return "wildcard:a*aaa*a?a" + strings.Repeat("a", k%20) + "*b" }), strings.Repeat("a", 250) + " "},
	{"wildcards in one long word", nested(100, func(k int) string { return "wildcard:a*aaa*a?a" + strings.Repeat("a", k%20) + "*b" }), "a"},
	{"wildcards without a literal", nested(100, func(k int) string { return fmt.Sprintf("wildcard:a?%c*?%cb", 'a'+k%26, 'a'+k/26) }), strings.Repeat("a", 20) + " "},
	{"an expression that runs to the end", "regex:aaa(?:.*z|)\n", "a"},
	{"an expression, nearly", "regex:(?:a|aa|aaa)+aaab\n", "a"},
	{"URLs of many labels", "url:a.example\nurl:a.a/" + strings.Repeat("a/", 400) + "b\n", "http://a" + strings.Repeat(".a", 120) + "/" + strings.Repeat("a/", 300) + " "},
	{"marks", "substring:zorvath\nzorvath\n", "a\u0301\u0301\u0301\u0301\u0301"},
}

// TestLinear checks that a byte of a text of 1 MB costs about what a byte of one
// of 64 KB does, whatever the text and the list.
func TestLinear(t *testing.T) {
	if testing.Short() {
		t.Skip("measures processor time")
	}
	var ordinary float64
	for _, c := range hostile {
		c0, err := matchChain(memory.DefaultAllocator, memFiles{"l.txt": c.list}, map[string]match.List{"l": {Path: "l.txt"}})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		small, hits := costOf(t, c0, c.fill, 1<<16)
		large, _ := costOf(t, c0, c.fill, 1<<20)
		if ordinary == 0 {
			ordinary = large
		}
		t.Logf("%-36s %8.2f ns a byte of 64 KB, %8.2f of 1 MB, %6.1f times ordinary text; %d hits", c.name, small, large, large/ordinary, hits)
		if large > 3*small+2 {
			t.Errorf("%s: %.2f ns a byte of 1 MB, %.2f of 64 KB: not linear", c.name, large, small)
		}
		if hits > 4096 {
			t.Errorf("%s: %d hits in one post", c.name, hits)
		}
	}
}

// costOf returns the processor time that match takes for a byte of a text of
// the size, in nanoseconds, the least of several runs, and the hits in it.
func costOf(t *testing.T, c *chain, fill string, size int) (perByte float64, hits int) {
	t.Helper()
	rec := posts(memory.DefaultAllocator, []post{{text: strings.Repeat(fill, size/len(fill))}})
	defer rec.Release()
	before := &chain{c.plans[:2], c.ops[:2]}
	last := &chain{c.plans[2:], c.ops[2:]}
	err := before.run(0, pipeline.Batch{Record: rec}, func(in pipeline.Batch) error {
		defer in.Record.Release()
		for range 2 {
			start := userTime(t)
			err := last.run(0, in, func(out pipeline.Batch) error {
				defer out.Record.Release()
				hits = len(hitsOf(out.Record, 0))
				return nil
			})
			if err != nil {
				return err
			}
			if ns := float64(userTime(t)-start) / float64(size); perByte == 0 || ns < perByte {
				perByte = ns
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return perByte, hits
}

func userTime(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
