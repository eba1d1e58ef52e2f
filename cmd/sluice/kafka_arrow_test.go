package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/sluicehq/sluice/internal/kafkatest"
)

// TestKafkaArrowRoundTrip writes posts to a topic as Arrow IPC, some messages cut
// to fit, reads them again, and finds the same posts in the same order as in a
// file that was written without a broker.
func TestKafkaArrowRoundTrip(t *testing.T) {
	b := kafkatest.Start(t)
	b.CreateTopic(t, "posts.arrow", 1, nil)
	const rows = 5000
	dir := t.TempDir()
	run := func(name, source, sink string) {
		t.Helper()
		file := filepath.Join(dir, name+".yaml")
		text := fmt.Sprintf("pipeline: %s\nsource:\n  %s\nsinks:\n  - %s\ncheckpoint: { path: ./%s }\nadmin: { listen: \"off\" }\n", name, source, sink, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := sluice(t, "run", file, "--quiet").CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
	generate := fmt.Sprintf("generate: { rows: %d }", rows)
	run("direct", generate, "file: { from: posts, path: direct.jsonl }")
	run("out", generate, fmt.Sprintf(`kafka: { from: posts, brokers: [%q], topic: posts.arrow, format: arrow, settings: { message.max.bytes: "100000" } }`, b.Servers))
	run("back", fmt.Sprintf(`kafka: { brokers: [%q], topics: [posts.arrow], messages: arrow, follow: false, columns: { truth_kind: { path: truth_kind }, truth_id: { path: truth_id }, truth_detail: { path: truth_detail } } }`, b.Servers),
		"file: { from: posts, path: back.jsonl }")
	want, got := readPosts(t, filepath.Join(dir, "direct.jsonl")), readPosts(t, filepath.Join(dir, "back.jsonl"))
	if len(want) != rows || len(got) != rows {
		t.Fatalf("%d posts of %d", len(got), len(want))
	}
	offsets := map[any]bool{}
	for i, row := range got {
		offsets[row["source_offset"]] = true
		for _, name := range []string{"source", "source_offset"} { // are the reader's own
			delete(row, name)
			delete(want[i], name)
		}
		if !maps.EqualFunc(row, want[i], func(a, b any) bool { return fmt.Sprint(a) == fmt.Sprint(b) }) {
			t.Fatalf("post %d is\n%v\nwant\n%v", i, row, want[i])
		}
	}
	if len(offsets) <= rows/1024+1 || len(offsets) > rows/10 {
		t.Errorf("%d messages: none was cut, or all were", len(offsets))
	}
}

// readPosts reads a file of JSON lines.
func readPosts(t *testing.T, path string) (out []map[string]any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(data) {
		var row map[string]any
		if err := json.Unmarshal(line, &row); err != nil {
			t.Fatal(err)
		}
		out = append(out, row)
	}
	return out
}
