package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestReferenceIsFresh checks that docs/reference is what the config types
// say. `make reference` writes it anew.
func TestReferenceIsFresh(t *testing.T) {
	want, err := referenceFiles()
	if err != nil {
		t.Fatal(err)
	}
	dir := "../../docs/reference"
	have, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(have) != len(want) {
		t.Errorf("%s has %d files, want %d: run make reference", dir, len(have), len(want))
	}
	for name, data := range want {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s is stale (%v): run make reference", name, err)
		}
	}
}
