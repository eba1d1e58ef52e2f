// Package deploy_test checks the files of this folder as far as that can be done
// without a cluster.
package deploy_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"

	"go.yaml.in/yaml/v3"
)

// decode reads every document of a YAML file into a T. A key that T has no
// field for is an error, as is one that is there twice.
func decode[T any](t testing.TB, file string) []T {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	var out []T
	for {
		var v T
		switch err := dec.Decode(&v); {
		case errors.Is(err, io.EOF):
			return out
		case err != nil:
			t.Fatalf("%s: %v", file, err)
		}
		out = append(out, v)
	}
}

// one is decode of a file with one document.
func one[T any](t testing.TB, file string) T {
	t.Helper()
	all := decode[T](t, file)
	if len(all) != 1 {
		t.Fatalf("%s: %d documents, want one", file, len(all))
	}
	return all[0]
}
