package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

const module = "github.com/sluicehq/sluice/"

// file is a source file that is no test.
type file struct {
	path    string // slash separated, from the root of the repository
	syntax  *ast.File
	imports []imported
}

type imported struct {
	path string // within the module: "pipeline/config"; else as written
	ours bool
	at   string // file:line
}

// tree is the repository's Go code without tests.
type tree struct {
	fset  *token.FileSet
	dirs  []string           // all folders, code or not
	files map[string][]*file // by folder
}

// skipped are folders that hold no code of ours.
func skipped(name string) bool {
	return name == "testdata" || name == "bin" || name == "data" || (strings.HasPrefix(name, ".") && name != ".")
}

func readTree(fsys fs.FS) (*tree, error) {
	t := &tree{fset: token.NewFileSet(), files: map[string][]*file{}}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if skipped(d.Name()) {
				return fs.SkipDir
			}
			t.dirs = append(t.dirs, name)
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		return t.read(fsys, name)
	})
	return t, err
}

func (t *tree) read(fsys fs.FS, name string) error {
	src, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	syntax, err := parser.ParseFile(t.fset, name, src, 0)
	if err != nil {
		return err
	}
	f := &file{path: name, syntax: syntax}
	for _, spec := range syntax.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return fmt.Errorf("%s: %w", t.at(spec), err)
		}
		i := imported{path: p, at: t.at(spec)}
		i.path, i.ours = strings.CutPrefix(p, module)
		f.imports = append(f.imports, i)
	}
	dir := path.Dir(name)
	t.files[dir] = append(t.files[dir], f)
	return nil
}

// at is the place of a node as file:line.
func (t *tree) at(n ast.Node) string {
	p := t.fset.Position(n.Pos())
	return fmt.Sprintf("%s:%d", p.Filename, p.Line)
}

// folders returns the folders with code, sorted.
func (t *tree) folders() []string {
	var out []string
	for dir := range t.files {
		out = append(out, dir)
	}
	slices.Sort(out)
	return out
}

// within reports whether folder is dir or lies below it.
func within(folder, dir string) bool { return folder == dir || strings.HasPrefix(folder, dir+"/") }

// component returns the folder of the component that a folder belongs to, such
// as sinks/clickhouse for sinks/clickhouse/embedded.
func component(folder string) (name string, ok bool) {
	part := strings.Split(folder, "/")
	if len(part) < 2 || !slices.Contains(groups, part[0]) {
		return "", false
	}
	return part[0] + "/" + part[1], true
}

// groups are the folders of components; each has a file <group>.go with All.
var groups = []string{"sources", "operators", "sinks"}
