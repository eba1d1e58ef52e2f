package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Options are the layers over the files, and the ways to the outside. A nil
// function stands for the operating system's own.
type Options struct {
	// Sets are "path=value" overrides, the last layer.
	Sets []string
	// Environ are "NAME=value" pairs, as os.Environ gives them, of which those
	// that start with SLUICE_ override settings. Nil means none.
	Environ []string
	// Env looks up the variables of ${NAME}; nil means os.LookupEnv.
	Env func(string) (string, bool)
	// ReadFile reads included files and those of ${file:path}.
	ReadFile func(string) ([]byte, error)
	// Glob lists the files that an include pattern matches.
	Glob func(string) ([]string, error)
	// Stdin is what the path "-" reads.
	Stdin io.Reader
}

func (o Options) withDefaults() Options {
	if o.Env == nil {
		o.Env = os.LookupEnv
	}
	if o.ReadFile == nil {
		o.ReadFile = ReadFile
	}
	if o.Glob == nil {
		o.Glob = filepath.Glob
	}
	if o.Stdin == nil {
		o.Stdin = os.Stdin
	}
	return o
}

// ReadFile is os.ReadFile for files that may turn out to be endless: it gives no
// more than a config may have. It is what Options.ReadFile stands for when nil.
func ReadFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFileBytes+1))
}

// Load reads the pipeline file at path, "-" being standard input, and what it
// includes. The error joins one [*Error] for each thing that is wrong.
func Load(path string, o Options) (*Spec, error) {
	o = o.withDefaults()
	var data []byte
	var err error
	name := path
	if path == "-" {
		name = "stdin"
		data, err = io.ReadAll(io.LimitReader(o.Stdin, maxFileBytes+1))
	} else {
		data, err = o.ReadFile(path)
	}
	if err != nil {
		return nil, &Error{File: name, Msg: "can not be read: " + fileReason(err)}
	}
	return Parse(name, data, o)
}

// Parse reads a pipeline from memory. Name is used in errors, and its folder is
// where relative paths start.
func Parse(name string, data []byte, o Options) (*Spec, error) {
	o = o.withDefaults()
	l := &loader{
		opts:   &o,
		budget: budget{nodes: maxNodes, text: maxFileBytes, paths: maxPathBytes},
		seen:   map[string]pos{filepath.Clean(name): {in: &origin{name: name}}},
	}
	l.layers = newLayers(&l.probs, &l.budget)
	main := l.origin(name)
	l.file(main, data, 0)
	if l.fatal {
		return nil, l.probs.err()
	}
	l.layers.environ(o.Environ, l.files)
	l.layers.sets(o.Sets, l.files+len(o.Environ))
	root := l.layers.merged()
	if !root.at.known() {
		root.at = pos{main, 1, 1}
	}
	root.keyAt = pos{}

	raw := appendJSON(nil, root.without(ignored(root)...))
	if len(raw) > maxFileBytes {
		l.probs.add(pos{in: main}, "", fmt.Sprintf("the merged config has more than %d bytes", maxFileBytes),
			"keep lists and rules in files of their own")
		return nil, l.probs.err()
	}
	x := &expander{opts: &o, dir: filepath.Dir(name), probs: &l.probs, left: maxExpanded, files: make(map[string]string)}
	x.tree("", root)
	s := newSpec(name, root.without(ignored(root)...), &l.probs)
	if err := l.probs.err(); err != nil {
		return nil, err
	}
	s.raw = raw
	return s, nil
}

// ignored lists the top-level keys that hold anchors only.
func ignored(root *node) []string {
	return slices.DeleteFunc(slices.Clone(root.keys), func(k string) bool { return !strings.HasPrefix(k, "x-") })
}

// fileReason is an error of reading a file without the path, which the message
// around it names.
func fileReason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// Bounds on includes.
const (
	maxIncludeDepth = 8
	maxFiles        = 100
)

// loader reads a file and those that it includes into the layers.
type loader struct {
	opts   *Options
	probs  problems
	budget budget
	layers *layers
	seen   map[string]pos // files read, and where they were included
	files  int
	fatal  bool // a file is missing altogether: what remains makes no sense
}

func (l *loader) origin(name string) *origin {
	l.files++
	return &origin{name: name, order: l.files - 1}
}

// file reads one file: first what it includes, then its own content over that.
func (l *loader) file(in *origin, data []byte, depth int) {
	r := &yamlReader{in: in, probs: &l.probs, budget: &l.budget}
	root := r.read(data)
	switch {
	case root == nil:
		l.fatal = true
		return
	case root.broken:
		l.fatal = true
		return
	case root.kind != mapping:
		l.probs.add(root.at, "", "want a mapping of settings, found "+root.describe(), "write at least pipeline, source and sinks")
		l.fatal = true
		return
	}
	if inc := root.fields["include"]; inc != nil {
		l.includes(in, inc, depth)
	}
	own := root.without("include")
	for _, k := range own.keys {
		own.fields[k] = normaliseAt([]string{k}, own.fields[k])
	}
	l.layers.file(own)
}

func (l *loader) includes(in *origin, inc *node, depth int) {
	items := inc.items
	if inc.kind == scalar {
		items = []*node{inc}
	}
	if inc.kind == mapping || inc.isNull() {
		l.probs.add(inc.at, "include", "want a list of files, found "+inc.describe(), `write for example include: ["conf.d/*.yaml"]`)
		return
	}
	dir := filepath.Dir(in.name)
	x := &expander{opts: l.opts, dir: dir, probs: &l.probs, left: maxExpanded, files: make(map[string]string)}
	for i, n := range items {
		path := join("include", strconv.Itoa(i))
		if n.kind != scalar || n.text == "" || n.isNull() {
			l.probs.add(n.at, path, "want a file's path, found "+n.describe(), "")
			continue
		}
		x.tree(path, n)
		if n.broken {
			l.fatal = true
			continue
		}
		for _, file := range l.expandGlob(in, path, n) {
			l.include(file, path, n, depth+1)
		}
	}
}

// expandGlob returns the files that an entry of include names. A pattern may
// match nothing, a plain path is a file that must be there.
func (l *loader) expandGlob(in *origin, path string, n *node) []string {
	dir, file := filepath.Dir(in.name), n.value
	if !filepath.IsAbs(file) {
		file = filepath.Join(dir, file)
	}
	if !strings.ContainsAny(n.value, "*?[") {
		return []string{file}
	}
	files, err := l.opts.Glob(file)
	if err != nil {
		l.probs.add(n.at, path, n.describe()+" is not a valid pattern", "")
		return nil
	}
	// A pattern such as *.yaml matches the file that it stands in, too.
	own := filepath.Clean(in.name)
	files = slices.DeleteFunc(slices.Clone(files), func(f string) bool { return filepath.Clean(f) == own })
	slices.Sort(files)
	return files
}

func (l *loader) include(file, path string, n *node, depth int) {
	shown := file
	if n.interpolated {
		shown = clip(n.text) // the path came by ${...}: do not show it
	}
	fail := func(msg, hint string) {
		l.probs.add(n.at, path, msg, hint)
		l.fatal = true
	}
	if first, ok := l.seen[filepath.Clean(file)]; ok {
		where := ""
		if first.line > 0 {
			where = "it was included at " + first.String()
		}
		fail(fmt.Sprintf("the file %q is read already", shown), where)
		return
	}
	if depth > maxIncludeDepth {
		fail(fmt.Sprintf("includes are nested more than %d deep", maxIncludeDepth), "")
		return
	}
	if l.files >= maxFiles {
		fail(fmt.Sprintf("more than %d files are included", maxFiles), "")
		return
	}
	l.seen[filepath.Clean(file)] = n.at
	data, err := l.opts.ReadFile(file)
	if err != nil {
		reason := fileReason(err)
		if n.interpolated {
			reason = strings.ReplaceAll(reason, file, shown)
		}
		fail(fmt.Sprintf("the file %q can not be read: %s", shown, reason), "")
		return
	}
	name := file
	if n.interpolated {
		name = filepath.Join(filepath.Dir(file), shown)
	}
	l.file(l.origin(name), data, depth)
}
