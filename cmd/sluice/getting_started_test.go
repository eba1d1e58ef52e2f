package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestGettingStarted runs the commands of docs/getting-started.md, in order, as
// they stand there; those of the build come before its mark and are left out.
func TestGettingStarted(t *testing.T) {
	needEngine(t)
	text, err := os.ReadFile("../../docs/getting-started.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "getting_started_test.go. -->")
	if !ok {
		t.Fatal("docs/getting-started.md has lost the mark after which its commands are run")
	}
	script, blocks := "set -eu\n", 0
	for {
		_, after, more := strings.Cut(rest, "```sh\n")
		if !more {
			break
		}
		var block string
		if block, rest, ok = strings.Cut(after, "```"); !ok {
			t.Fatal("docs/getting-started.md: a block has no end")
		}
		script += block
		blocks++
	}
	if blocks < 4 {
		t.Fatalf("%d blocks of commands, want 4 at least", blocks)
	}
	dir := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(exe, filepath.Join(dir, "sluice")); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("sh", "-c", script)
	c.Dir = t.TempDir()
	c.Env = append(os.Environ(), asSluice+"=1", "SLUICE_ADMIN__LISTEN=off", "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"pipeline.yaml: ok", "20,000 posts, 0 rejected", "listed-term", "zorvath"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
}
