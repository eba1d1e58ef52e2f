package train

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of input.
const (
	maxInput = 4 << 30 // bytes of a file
	maxLine  = 4 << 20
)

// Post is a post with its classes.
type Post struct {
	Text   string
	Labels []int8 // by head: 1, 0, or -1 for unknown
}

// Loaded is what was read of an input.
type Loaded struct {
	*Input
	Posts  []Post
	SHA256 string // of the file, of its labels too
	// Unmapped counts labels that the map does not have, by their text.
	Unmapped map[string]int
}

// Load reads an input; relative paths begin at dir. Errors name file and line.
func (c *Config) Load(dir string, in *Input) (*Loaded, error) {
	path, err := expand(dir, in.Path)
	if err != nil {
		return nil, err
	}
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	out := &Loaded{Input: in, Unmapped: map[string]int{}}
	sum := sha256.New()
	sum.Write(data)
	var labels []string
	if in.LabelPath != "" {
		path, err := expand(dir, in.LabelPath)
		if err != nil {
			return nil, err
		}
		text, err := readFile(path)
		if err != nil {
			return nil, err
		}
		sum.Write(text)
		for line := range strings.Lines(string(text)) {
			labels = append(labels, strings.TrimSpace(line))
		}
	}
	row := 0
	err = in.rows(path, data, func(line int, text, label string) error {
		if in.LabelPath != "" {
			if row >= len(labels) {
				return fmt.Errorf("%s:%d: there are only %d labels in %s", path, line, len(labels), in.LabelPath)
			}
			label = labels[row]
		}
		row++
		classes := c.classes(in, label, out.Unmapped)
		out.Posts = append(out.Posts, Post{Text: strings.ToValidUTF8(text, string(utf8.RuneError)), Labels: classes})
		return nil
	})
	if err != nil {
		return nil, err
	}
	if in.LabelPath != "" && row != len(labels) {
		return nil, fmt.Errorf("%s has %d lines and %s %d: they must be of the same posts", path, row, in.LabelPath, len(labels))
	}
	if len(out.Posts) == 0 {
		return nil, fmt.Errorf("%s has no posts", path)
	}
	if n := len(out.Unmapped); len(in.Map) > 0 && n > 0 && mapped(out.Unmapped) == len(out.Posts) {
		return nil, fmt.Errorf("%s: none of its labels is in the map, such as %q; the map has %q", path,
			slices.Sorted(maps.Keys(out.Unmapped))[0], slices.Sorted(maps.Keys(in.Map)))
	}
	out.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return out, nil
}

func mapped(counts map[string]int) (n int) {
	for _, v := range counts {
		n += v
	}
	return n
}

// classes returns the classes of a post by head.
func (c *Config) classes(in *Input, label string, unmapped map[string]int) []int8 {
	out := make([]int8, len(c.Heads))
	for i := range out {
		out[i] = unknown
	}
	set := func(m map[string]int8) {
		for name, class := range m {
			if h, err := c.head(name); err == nil {
				out[h] = max(out[h], class) // 1 wins over 0, and 0 over unknown
			}
		}
	}
	set(in.Always)
	if len(in.Map) == 0 {
		return out
	}
	parts := []string{label}
	if in.Separator != "" {
		parts = strings.Split(label, in.Separator)
	}
	found := false
	for _, p := range parts {
		if m, ok := in.Map[p]; ok {
			set(m)
			found = true
		}
	}
	if !found {
		unmapped[label]++
	}
	return out
}

// expand fills ${NAME} in a path and makes it absolute or relative to dir.
func expand(dir, path string) (string, error) {
	var missing string
	out := os.Expand(path, func(name string) string {
		v, ok := os.LookupEnv(name)
		if !ok {
			missing = name
		}
		return v
	})
	if missing != "" {
		return "", fmt.Errorf("path %q: the environment has no %s; set it", path, missing)
	}
	if !filepath.IsAbs(out) {
		out = filepath.Join(dir, out)
	}
	return out, nil
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxInput {
		return nil, fmt.Errorf("%s is not a regular file of at most %d bytes", path, int64(maxInput))
	}
	return os.ReadFile(path)
}

// rows calls add for each post of a file.
func (in *Input) rows(path string, data []byte, add func(line int, text, label string) error) error {
	format := in.Format
	if format == "" {
		format = strings.TrimPrefix(filepath.Ext(path), ".")
	}
	switch format {
	case "csv":
		return in.table(path, data, ',', add)
	case "tsv":
		return in.tabs(path, data, add)
	case "jsonl", "ndjson":
		return in.objects(path, data, add)
	case "lines", "txt":
		return eachLine(path, data, true, func(line int, text []byte) error { return add(line, string(text), "") })
	}
	return fmt.Errorf("%s: format %q is not known: set format to csv, tsv, jsonl or lines", path, format)
}

// eachLine calls f for each line, counted from 1, of blank ones if blank is set.
func eachLine(path string, data []byte, blank bool, f func(line int, text []byte) error) error {
	sc := bufio.NewScanner(bytes.NewReader(data))
	sc.Buffer(nil, maxLine)
	line := 0
	for sc.Scan() {
		line++
		if !blank && len(bytes.TrimSpace(sc.Bytes())) == 0 {
			continue
		}
		if err := f(line, sc.Bytes()); err != nil {
			return err
		}
	}
	if err := sc.Err(); err != nil {
		return fmt.Errorf("%s:%d: %w", path, line+1, err)
	}
	return nil
}

// columns finds the places of the text and the label in a header; label is -1
// if there is none.
func (in *Input) columns(path string, header []string) (text, label int, err error) {
	find := func(name string) (int, error) {
		if in.NoHeader {
			n, err := strconv.Atoi(name)
			if err != nil || n < 1 {
				return -1, fmt.Errorf("%s: column %q: without a header columns are numbers from 1", path, name)
			}
			return n - 1, nil
		}
		for i, h := range header {
			if strings.TrimSpace(h) == name {
				return i, nil
			}
		}
		return -1, fmt.Errorf("%s:1: there is no column %q; there are %q", path, name, header)
	}
	if in.Text == "" {
		return -1, -1, fmt.Errorf("%s: which column is the text? set text", path)
	}
	if text, err = find(in.Text); err != nil {
		return -1, -1, err
	}
	label = -1
	if in.Label != "" {
		label, err = find(in.Label)
	}
	return text, label, err
}

// table reads CSV.
func (in *Input) table(path string, data []byte, comma rune, add func(int, string, string) error) error {
	r := csv.NewReader(bytes.NewReader(data))
	r.Comma, r.FieldsPerRecord, r.TrimLeadingSpace = comma, -1, true
	return in.records(path, func() ([]string, int, error) {
		rec, err := r.Read()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				err = fmt.Errorf("%s: %w", path, err)
			}
			return nil, 0, err
		}
		line, _ := r.FieldPos(0)
		return rec, line, nil
	}, add)
}

// tabs reads columns that tabs part, without quoting.
func (in *Input) tabs(path string, data []byte, add func(int, string, string) error) error {
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	i := 0
	return in.records(path, func() ([]string, int, error) {
		for i < len(lines) && strings.TrimSpace(lines[i]) == "" {
			i++
		}
		if i >= len(lines) {
			return nil, 0, io.EOF
		}
		i++
		return strings.Split(strings.TrimSuffix(lines[i-1], "\r"), "\t"), i, nil
	}, add)
}

// records picks text and label out of rows.
func (in *Input) records(path string, next func() ([]string, int, error), add func(int, string, string) error) error {
	text, label := -1, -1
	if in.NoHeader {
		var err error
		if text, label, err = in.columns(path, nil); err != nil {
			return err
		}
	}
	for {
		rec, line, err := next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if text < 0 {
			if text, label, err = in.columns(path, rec); err != nil {
				return err
			}
			continue
		}
		if n := max(text, label); n >= len(rec) {
			return fmt.Errorf("%s:%d: %d columns; the text or the label is column %d", path, line, len(rec), n+1)
		}
		l := ""
		if label >= 0 {
			l = strings.TrimSpace(rec[label])
		}
		if err := add(line, rec[text], l); err != nil {
			return err
		}
	}
}

// objects reads JSON lines.
func (in *Input) objects(path string, data []byte, add func(int, string, string) error) error {
	if in.Text == "" {
		return fmt.Errorf("%s: which field is the text? set text", path)
	}
	return eachLine(path, data, false, func(line int, b []byte) error {
		var v any
		dec := json.NewDecoder(bytes.NewReader(b))
		dec.UseNumber()
		if err := dec.Decode(&v); err != nil {
			return fmt.Errorf("%s:%d: %w", path, line, err)
		}
		text, ok := field(v, in.Text).(string)
		if !ok {
			return fmt.Errorf("%s:%d: the field %q is not a text", path, line, in.Text)
		}
		label := ""
		if in.Label != "" {
			l := field(v, in.Label)
			if l == nil {
				return fmt.Errorf("%s:%d: there is no field %q", path, line, in.Label)
			}
			label = fmt.Sprint(l)
		}
		return add(line, text, label)
	})
}

// field follows a path such as a.b.
func field(v any, path string) any {
	for name := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}
