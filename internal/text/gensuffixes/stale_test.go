package main

import (
	"os"
	"testing"
)

// TestStale checks that the rules in the tree are what the generator makes of the
// golang.org/x/net that go.mod names. It asks for nothing over the network.
func TestStale(t *testing.T) {
	got, err := rules()
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("../suffix/rules.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Error("suffix/rules.txt is not of this golang.org/x/net: run go generate in internal/text/suffix")
	}
}
