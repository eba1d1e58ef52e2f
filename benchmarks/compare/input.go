package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/sluicehq/sluice/internal/synth"
)

// numTerms is the number of whole-word terms of every contest.
const numTerms = 10_000

// synthRows is the number of synthetic posts, where there are no real ones.
const synthRows = 1_000_000

// input is what both sides read.
type input struct {
	posts, termsFile, what string
	words                  []string
	rows, bytes, terms     int64
}

// prepare puts the posts, not compressed, and the terms into dir.
func prepare(dir, posts string) (*input, error) {
	in := &input{posts: posts, termsFile: filepath.Join(dir, "terms.txt"), what: "the given file"}
	data := os.Getenv("SLUICE_DATA")
	if data == "" {
		data = "../shared/data"
	}
	var err error
	if posts == "" {
		in.posts = filepath.Join(dir, "posts.jsonl")
		real := filepath.Join(data, "posts/ira_to_2016-06.jsonl.zst")
		if _, serr := os.Stat(real); serr == nil {
			in.what, err = "real posts of one operation, 2012 to 2016", unpack(real, in.posts)
		} else {
			in.what, err = "synthetic posts", generate(in.posts)
		}
	}
	if err != nil {
		return nil, err
	}
	if in.rows, in.bytes, err = count(in.posts); err != nil {
		return nil, err
	}
	in.words = words(filepath.Join(data, "patterns/dictionaries/english/sorted.txt"))
	in.terms = int64(len(in.words))
	return in, os.WriteFile(in.termsFile, []byte(strings.Join(in.words, "\n")+"\n"), 0o600)
}

func unpack(from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		return err
	}
	defer z.Close()
	return create(to, func(w io.Writer) error { _, err := io.Copy(w, z); return err })
}

func generate(to string) error {
	return create(to, func(w io.Writer) error { return synth.Write(w, synth.DefaultConfig(), 0, synthRows) })
}

func create(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	err = write(w)
	if err == nil {
		err = w.Flush()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

func count(path string) (rows, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	buf := make([]byte, 1<<20)
	for {
		n, err := f.Read(buf)
		rows += int64(bytes.Count(buf[:n], []byte{'\n'}))
		size += int64(n)
		if err == io.EOF {
			return rows, size, nil
		}
		if err != nil {
			return 0, 0, err
		}
	}
}

// words picks numTerms lower-case words, spread evenly over a dictionary, or
// makes them up where there is none.
func words(dictionary string) []string {
	var all []string
	if data, err := os.ReadFile(dictionary); err == nil {
		for w := range strings.FieldsSeq(string(data)) {
			if len(w) >= 4 && strings.Trim(w, "abcdefghijklmnopqrstuvwxyz") == "" {
				all = append(all, w)
			}
		}
	}
	if len(all) < numTerms {
		r := rand.New(rand.NewSource(1))
		for i := range numTerms {
			all = append(all, fmt.Sprintf("term%s%d", string(rune('a'+r.Intn(26))), i))
		}
	}
	out := make([]string, numTerms)
	for i := range out {
		out[i] = all[i*len(all)/numTerms]
	}
	return out
}
