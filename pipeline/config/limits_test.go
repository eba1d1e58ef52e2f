package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

const tail = "\npipeline: p\nsource: s\nsinks: [s]\n"

// TestHostileFiles feeds files that are made to be expensive. Each must be
// refused with an error that says so, soon.
func TestHostileFiles(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("x-0: &a0 [x,x,x,x,x,x,x,x,x,x]\n")
	for i := 1; i < 10; i++ {
		bomb.WriteString(fmt.Sprintf("x-%d: &a%d [%s*a%d]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d,", i-1), 9), i-1))
	}
	wide := "x-0: &big " + strings.Repeat("y", 100_000) + "\nx-1: [" + strings.Repeat("*big,", 1000) + "]\n"
	var deepKeys strings.Builder
	for i := range 60 {
		deepKeys.WriteString(strings.Repeat(" ", i) + strings.Repeat("k", 120) + ":\n")
	}
	deepKeys.WriteString(strings.Repeat(" ", 60) + "{")
	for i := range 1000 {
		deepKeys.WriteString(fmt.Sprintf("a%d: 1,", i))
	}
	deepKeys.WriteString("}\n")
	for _, c := range []struct{ name, text, want string }{
		{"size", strings.Repeat("#", maxFileBytes) + tail, "more than 1048576 bytes"},
		{"depth", "x-a: " + strings.Repeat("[", 70) + strings.Repeat("]", 70) + tail, "more than 64 levels deep"},
		{"parser depth", "x-a: " + strings.Repeat("[", 500_000), "nested too deep"},
		{"flow maps", strings.Repeat("{a: ", 200_000), "nested too deep"},
		{"nodes", "x-a: [" + strings.Repeat("x,", 120_000) + "]" + tail, "too big"},
		{"keys", "x-a:\n" + strings.Repeat(" a: 1\n", 100_000) + tail, "duplicate key"},
		{"alias bomb", bomb.String() + tail, "too big"},
		{"alias text", wide + tail, "too big"},
		{"long paths", "engine:\n " + strings.ReplaceAll(deepKeys.String(), "\n", "\n ") + tail, "paths of all settings"},
		{"long key", strings.Repeat("k", 200) + ": 1" + tail, "more than 128 bytes"},
		{"control", "x-a: \"\\0\"\n\"a\\x1fb\": 1" + tail, "control character"},
		{"anchors", strings.Repeat("&a ", 300_000), ""},
		{"question marks", strings.Repeat("? ", 500_000), ""},
		{"dashes", strings.Repeat("- ", 500_000), ""},
		{"comments", strings.Repeat("#\n", 500_000) + "a: 1", "missing"},
		{"comment after each", strings.Repeat("a: #\n", 50_000), ""},
		{"quotes", strings.Repeat("\"", 500_001), ""},
		{"references", "x-a: \"" + strings.Repeat("${A}", 200_000) + "\"" + tail, "more than 4194304 bytes"},
		{"many steps", "steps: [" + strings.Repeat("a,", 33_000) + "{b: 1}]" + tail, "want the component's settings"},
		{"many errors", "engine: {" + manyKeys(20_000) + "}" + tail, "and "},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := time.Now()
			_, err := Parse("p.yaml", []byte(c.text), Options{Env: func(string) (string, bool) { return strings.Repeat("v", 1000), true }})
			took := time.Since(start)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %.300v, want an error with %q", err, c.want)
			}
			if err != nil && len(err.Error()) > 64<<10 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
			// Generous, for slow machines under load: what it must catch is a
			// quadratic or exponential cost, which takes minutes.
			if took > 20*time.Second {
				t.Errorf("took %v", took)
			}
			t.Logf("%v", took)
		})
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "k%d: 1, ", i)
	}
	return b.String()
}

func TestIncludeDepth(t *testing.T) {
	o := Options{ReadFile: func(name string) ([]byte, error) {
		var i int
		if _, err := fmt.Sscanf(name, "i%d.yaml", &i); err != nil {
			return nil, err
		}
		return fmt.Appendf(nil, "include: i%d.yaml\n", i+1), nil
	}}
	_, err := Parse("p.yaml", []byte("include: i0.yaml"+tail), o)
	if err == nil || !strings.Contains(err.Error(), "i7.yaml:1:10: include.0: includes are nested more than 8 deep") {
		t.Errorf("got %v", err)
	}
}

func TestManyFiles(t *testing.T) {
	var names []string
	for i := range 200 {
		names = append(names, fmt.Sprintf("f%03d.yaml", i))
	}
	o := Options{
		ReadFile: func(string) ([]byte, error) { return []byte("x-a: 1"), nil },
		Glob:     func(string) ([]string, error) { return names, nil },
	}
	_, err := Parse("p.yaml", []byte(`include: "*.yaml"`+tail), o)
	if err == nil || !strings.Contains(err.Error(), "more than 100 files are included") {
		t.Errorf("got %v", err)
	}
}

func TestSecretFileSize(t *testing.T) {
	o := Options{ReadFile: func(string) ([]byte, error) { return make([]byte, maxSecretFile+1), nil }}
	_, err := Parse("p.yaml", []byte(`checkpoint: { path: "${file:/dev/zero}" }`+tail), o)
	if err == nil || !strings.Contains(err.Error(), "${file:/dev/zero} has more than 65536 bytes") {
		t.Errorf("got %v", err)
	}
}

// TestEveryErrorIsLocated checks the promise of Load: errors.Join of *Error.
func TestEveryErrorIsLocated(t *testing.T) {
	_, err := Parse("p.yaml", []byte("pipeline: P\nsource: 5\nsinks: []\nzzz: 1\n"), Options{})
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("%T is not joined", err)
	}
	last := 0
	for _, e := range joined.Unwrap() {
		var ce *Error
		if !errors.As(e, &ce) || ce.File != "p.yaml" || ce.Line < last || ce.Col < 1 {
			t.Errorf("%#v", e)
			continue
		}
		last = ce.Line
	}
	if n := len(joined.Unwrap()); n != 4 {
		t.Errorf("%d errors, want 4: %v", n, err)
	}
}
