package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestSameBytesOnAnyNumberOfWorkers runs the example pipeline on 1, 2 and 8
// workers, and with other epochs, into files: they must be equal byte for byte.
func TestSameBytesOnAnyNumberOfWorkers(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../deploy/examples")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "firehose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	head, _, ok := bytes.Cut(text, []byte("\nsinks:"))
	if !ok {
		t.Fatal("the example has no sinks")
	}
	file := filepath.Join(dir, "files.yaml")
	sinks := "\nsinks:\n  - file: {path: \"${OUT}/{stream}.jsonl\", from: [posts, detections]}\nadmin: {listen: \"off\"}\n"
	if err := os.WriteFile(file, append(head, sinks...), 0o600); err != nil {
		t.Fatal(err)
	}
	var want [2][]byte
	for i, run := range []struct{ workers, epoch, chunk int }{{1, 65536, 1024}, {2, 5000, 1024}, {8, 20000, 300}} {
		out := filepath.Join(dir, fmt.Sprint(i))
		c := sluice(t, "run", file, "--quiet", "--set", "source.generate.rows=60000", "--set", fmt.Sprintf("source.generate.chunk_rows=%d", run.chunk),
			"--set", fmt.Sprintf("engine.workers=%d", run.workers), "--set", fmt.Sprintf("engine.epoch.rows=%d", run.epoch),
			"--set", "checkpoint.path="+filepath.Join(out, "checkpoint"))
		c.Env = append(c.Env, "OUT="+out)
		if log, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%+v: %v\n%s", run, err, log)
		}
		for s, name := range []string{"posts.jsonl", "detections.jsonl"} {
			got, err := os.ReadFile(filepath.Join(out, name))
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				want[s] = got
				if n := bytes.Count(got, []byte("\n")); n < 1000 {
					t.Fatalf("%s has %d lines: too few to compare", name, n)
				}
			} else if !bytes.Equal(got, want[s]) {
				t.Errorf("%s of %+v: %s", name, run, firstDifference(string(want[s]), string(got)))
			}
		}
	}
}
