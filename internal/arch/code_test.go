package arch

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
)

// checkNames refuses folders whose name says nothing.
func checkNames(t *tree) (out []string) {
	for _, dir := range t.dirs {
		switch path.Base(dir) {
		case "util", "utils", "common", "helper", "helpers", "manager", "managers", "misc", "shared":
			out = append(out, fmt.Sprintf("%s: name the folder by what it holds", dir))
		}
	}
	return out
}

// checkGlobals refuses init functions and package variables that code changes:
// what a component needs is passed to it.
func checkGlobals(t *tree) (out []string) {
	for _, folder := range t.folders() {
		vars := map[string]*ast.ValueSpec{}
		for _, f := range t.files[folder] {
			for _, d := range f.syntax.Decls {
				if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
					for _, s := range g.Specs {
						spec := s.(*ast.ValueSpec)
						for _, n := range spec.Names {
							if n.Name != "_" {
								vars[n.Name] = spec
							}
						}
					}
				}
			}
		}
		for _, f := range t.files[folder] {
			out = append(out, t.globalsIn(f, vars)...)
		}
	}
	return out
}

func (t *tree) globalsIn(f *file, vars map[string]*ast.ValueSpec) (out []string) {
	write := func(e ast.Expr) {
		id := root(e)
		if id == nil || vars[id.Name] == nil || (id.Obj != nil && id.Obj.Decl != vars[id.Name]) {
			return
		}
		out = append(out, fmt.Sprintf("%s: the package variable %s is changed: pass state in, or keep it in a struct", t.at(e), id.Name))
	}
	for _, d := range f.syntax.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if fn.Name.Name == "init" && fn.Recv == nil {
			out = append(out, fmt.Sprintf("%s: a function init: nothing registers itself; list components in All", t.at(fn)))
		}
		ast.Inspect(fn, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for _, e := range n.Lhs {
					if n.Tok != token.DEFINE {
						write(e)
					}
				}
			case *ast.IncDecStmt:
				write(n.X)
			case *ast.CallExpr:
				if id, ok := n.Fun.(*ast.Ident); ok && (id.Name == "delete" || id.Name == "clear") && len(n.Args) > 0 {
					write(n.Args[0])
				}
			}
			return true
		})
	}
	return out
}

// root returns the variable that an expression on the left side changes.
func root(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.IndexExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}

// What makes code depend on more than its input.
var (
	impureImports = []string{"math/rand", "crypto/rand", "os", "net", "syscall", "golang.org/x/sys", "golang.org/x/sync"}
	// Which instructions the machine has changes how fast a kernel is, not what it gives.
	pureImports = []string{"golang.org/x/sys/cpu"}
	clock       = []string{"Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Sleep"}
)

// checkPure holds operators to their contract: functions of input and state,
// without clock, chance, files, network or goroutines. It goes for what they
// use of internal too.
func checkPure(t *tree) (out []string) {
	var todo []string
	for _, folder := range t.folders() {
		if _, ok := component(folder); ok && within(folder, "operators") {
			todo = append(todo, folder)
		}
	}
	for i := 0; i < len(todo); i++ {
		for _, f := range t.files[todo[i]] {
			for _, imp := range f.imports {
				if imp.ours && within(imp.path, "internal") && !slices.Contains(todo, imp.path) {
					todo = append(todo, imp.path)
				}
				if slices.ContainsFunc(impureImports, func(p string) bool { return !imp.ours && within(imp.path, p) }) && !slices.Contains(pureImports, imp.path) {
					out = append(out, fmt.Sprintf("%s: %s imports %s: what operators do depends on their input and state only", imp.at, todo[i], imp.path))
				}
			}
			out = append(out, t.impure(f)...)
		}
	}
	return out
}

func (t *tree) impure(f *file) (out []string) {
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			out = append(out, fmt.Sprintf("%s: a goroutine: the engine runs operators on all cores, they start nothing", t.at(n)))
		case *ast.SelectorExpr:
			if id, ok := n.X.(*ast.Ident); ok && id.Obj == nil && id.Name == "time" && slices.Contains(clock, n.Sel.Name) {
				out = append(out, fmt.Sprintf("%s: time.%s: operators know event time only, or a replay would give other rows", t.at(n), n.Sel.Name))
			}
		}
		return true
	})
	return out
}

// checkListed compares the folders that have a Factory with those that All of
// their group lists, and the factory's name with the folder's.
func checkListed(t *tree) (out []string) {
	for _, group := range groups {
		listed := t.listed(group)
		for _, folder := range t.folders() {
			if path.Dir(folder) != group {
				continue
			}
			fn, name := t.factory(folder)
			if fn == nil {
				continue
			}
			if !listed[folder] {
				out = append(out, fmt.Sprintf("%s: %s has a Factory that %s.All does not list: add %s.Factory() to %s/%s.go",
					t.at(fn), folder, group, path.Base(folder), group, group))
			}
			if name != path.Base(folder) {
				out = append(out, fmt.Sprintf("%s: the factory's Name is %q, its folder %s: the config key, the folder and the package have one name", t.at(fn), name, folder))
			}
		}
	}
	return out
}

// listed returns the folders whose Factory is called in the group's All.
func (t *tree) listed(group string) map[string]bool {
	out := map[string]bool{}
	for _, f := range t.files[group] {
		byName := map[string]string{}
		for _, imp := range f.imports {
			byName[path.Base(imp.path)] = imp.path
		}
		for _, d := range f.syntax.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Name.Name != "All" {
				continue
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "Factory" {
					if id, ok := s.X.(*ast.Ident); ok {
						out[byName[id.Name]] = true
					}
				}
				return true
			})
		}
	}
	return out
}

// factory returns a folder's function Factory and the Name that it gives.
func (t *tree) factory(folder string) (fn *ast.FuncDecl, name string) {
	for _, f := range t.files[folder] {
		for _, d := range f.syntax.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && d.Recv == nil && d.Name.Name == "Factory" {
				fn = d
			}
		}
	}
	if fn == nil {
		return nil, ""
	}
	ast.Inspect(fn, func(n ast.Node) bool {
		kv, ok := n.(*ast.KeyValueExpr)
		if !ok || name != "" {
			return name == ""
		}
		if key, ok := kv.Key.(*ast.Ident); ok && key.Name == "Name" {
			if lit, ok := kv.Value.(*ast.BasicLit); ok {
				name, _ = strconv.Unquote(lit.Value)
			}
		}
		return true
	})
	return fn, strings.TrimSpace(name)
}
