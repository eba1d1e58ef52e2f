package arch

import (
	"fmt"
	"slices"
	"strings"
)

// layer says what the code of some folders may import of this module. The
// first layer that fits a folder counts.
type layer struct {
	dir  string   // the folder; "dir/..." is with all below it
	may  []string // in the same form
	only []string // when set, all that may be imported from outside, beside the standard library
	why  string
}

var layers = []layer{
	{dir: "pipeline", only: []string{"github.com/apache/arrow/go"}, why: "pipeline holds the contracts: it imports the standard library and Arrow only"},
	{dir: "pipeline/config", may: []string{"pipeline", "internal/edit"}, why: "config knows the contracts and no component"},
	{dir: "pipeline/graph", may: []string{"pipeline", "pipeline/config"}, why: "graph is given the factories and runs nothing"},
	{dir: "pipeline/checkpoint", may: []string{"pipeline", "internal/..."}, why: "checkpoint stores what the engine gives it"},
	{dir: "pipeline/engine", may: []string{"pipeline", "pipeline/graph", "pipeline/checkpoint", "internal/..."}, why: "the engine runs a graph and knows no component and no config file"},
	{dir: "pipeline/pipelinetest", may: []string{"pipeline", "internal/..."}, why: "the harness serves all components, so it knows none"},
	{dir: "sources", may: []string{"pipeline", "sources/..."}, why: "sources.go lists the sources and does nothing else"},
	{dir: "operators", may: []string{"pipeline", "operators/..."}, why: "operators.go lists the operators and does nothing else"},
	{dir: "sinks", may: []string{"pipeline", "sinks/..."}, why: "sinks.go lists the sinks and does nothing else"},
	{dir: "sources/...", may: []string{"pipeline", "internal/...", "sources/decode"}, why: "a source knows the contracts, internal packages and sources/decode, and no other component"},
	{dir: "operators/...", may: []string{"pipeline", "internal/..."}, why: "an operator knows the contracts and internal packages, and no other component"},
	{dir: "sinks/...", may: []string{"pipeline", "internal/..."}, why: "a sink knows the contracts and internal packages, and no other component"},
	{dir: "internal/...", may: []string{"pipeline", "pipeline/config", "internal/..."}, why: "internal packages serve the layers above them, and must not reach up into these"},
	{dir: "cmd/...", may: []string{"internal/...", "pipeline/...", "sources/...", "operators/...", "sinks/..."}, why: "a command joins everything but other programs"},
	{dir: "benchmarks/...", may: []string{"benchmarks/...", "internal/...", "pipeline/...", "sources/...", "operators/...", "sinks/..."}, why: "benchmarks measure everything but the commands, which they run"},
	{dir: "deploy/...", may: nil, why: "deploy holds no code of the program"},
}

// fits reports whether folder is what pattern says: "dir" or "dir/...".
func fits(folder, pattern string) bool {
	if dir, all := strings.CutSuffix(pattern, "/..."); all {
		return within(folder, dir)
	}
	return folder == pattern
}

// checkImports returns what breaks the rule of who may import whom.
func checkImports(t *tree) (out []string) {
	for _, folder := range t.folders() {
		i := slices.IndexFunc(layers, func(l layer) bool { return fits(folder, l.dir) })
		if i < 0 {
			out = append(out, fmt.Sprintf("%s: no rule says what this folder may import: put its code where a layer of internal/arch fits, or add a layer", folder))
			continue
		}
		for _, f := range t.files[folder] {
			for _, imp := range f.imports {
				if !layers[i].allows(folder, imp) {
					out = append(out, fmt.Sprintf("%s: %s imports %s: %s", imp.at, folder, imp.path, layers[i].why))
				}
			}
		}
	}
	return out
}

func (l layer) allows(folder string, imp imported) bool {
	if !imp.ours {
		first, _, _ := strings.Cut(imp.path, "/")
		return l.only == nil || !strings.Contains(first, ".") ||
			slices.ContainsFunc(l.only, func(p string) bool { return within(imp.path, p) })
	}
	if own, ok := component(folder); ok && within(imp.path, own) {
		return true // a component's own subfolders
	}
	return slices.ContainsFunc(l.may, func(p string) bool { return fits(imp.path, p) })
}
