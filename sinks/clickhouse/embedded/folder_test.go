package embedded

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDefaultDatabase checks the metadata of a new folder, of one that the
// engine made by itself, and of a damaged one.
func TestDefaultDatabase(t *testing.T) {
	read := func(dir string) string {
		text, err := os.ReadFile(filepath.Join(dir, "metadata", "default.sql"))
		must(t, err)
		return string(text)
	}
	fresh := t.TempDir()
	must(t, ensureDefaultDatabase(fresh))
	first := read(fresh)
	if !strings.HasPrefix(first, "ATTACH DATABASE _ UUID '") || !strings.HasSuffix(first, "'\nENGINE = Atomic\n") {
		t.Errorf("%q", first)
	}
	must(t, ensureDefaultDatabase(fresh))
	if read(fresh) != first {
		t.Error("the id has changed")
	}

	made := t.TempDir()
	must(t, os.Mkdir(filepath.Join(made, "metadata"), 0o700))
	const id = "308227fa-1521-49cb-8870-ffaf6a8bf52a"
	must(t, os.Symlink("../store/308/"+id, filepath.Join(made, "metadata", "default")))
	must(t, ensureDefaultDatabase(made))
	if !strings.Contains(read(made), id) {
		t.Errorf("%q", read(made))
	}

	damaged := t.TempDir()
	must(t, os.Mkdir(filepath.Join(damaged, "metadata"), 0o700))
	must(t, os.Symlink("elsewhere", filepath.Join(damaged, "metadata", "default")))
	if err := ensureDefaultDatabase(damaged); err == nil || !strings.Contains(err.Error(), "elsewhere") {
		t.Errorf("error %v", err)
	}
}

func TestNewer(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"26.8.1", "26.7.3", true},
		{"27.1", "26.12.1", true},
		{"26.7.3", "26.7.2", false},
		{"26.7.3", "26.7.3", false},
		{"26.6.9", "26.7.1", false},
		{"", "26.7", false},
		{"26.10.1", "26.9.1", true},
	} {
		if got := newer(c.a, c.b); got != c.want {
			t.Errorf("newer(%q, %q) is %v", c.a, c.b, got)
		}
	}
}
