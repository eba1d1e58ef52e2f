package main

import (
	"bytes"
	"hash/maphash"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/checkpoint"
	"github.com/sluicehq/sluice/pipeline/graph"
)

// change is one thing by which two graphs differ: a log line.
type change struct {
	warn  bool
	what  string
	attrs []any
}

func (c change) log(log *slog.Logger) {
	if c.warn {
		log.Warn("reload: "+c.what, c.attrs...)
		return
	}
	log.Info("reload: "+c.what, c.attrs...)
}

// difference lists what is new in next: steps, lists, rules, and other files.
// Store has the files of both.
func difference(old, next *built, store *checkpoint.Store) []change {
	out := stepChanges(old.graph, next.graph)
	told := map[string]bool{} // files that lists and rules speak for
	out = append(out, listChanges(old, next, store, told)...)
	out = append(out, ruleChanges(old.graph, next.graph, told)...)
	return append(out, fileChanges(old.manifest.Files, next.manifest.Files, told)...)
}

// both calls f for each key of two maps, in order, with whether it is in each.
func both[V any](old, next map[string]V, f func(key string, was, is V, had, has bool)) {
	keys := slices.Collect(maps.Keys(old))
	for k := range next {
		if _, ok := old[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		was, had := old[k]
		is, has := next[k]
		f(k, was, is, had, has)
	}
}

func stepChanges(old, next *graph.Graph) (out []change) {
	both(stepsOf(old), stepsOf(next), func(name string, was, is step, had, has bool) {
		switch {
		case !had:
			out = append(out, change{what: "step added", attrs: []any{"step", name}})
		case !has:
			out = append(out, change{what: "step removed", attrs: []any{"step", name}})
		case was != is:
			attrs := []any{"step", name}
			if was.kind == is.kind {
				attrs = append(attrs, "keys", keysChanged(was.shown, is.shown))
			}
			out = append(out, change{what: "step changed", attrs: attrs})
		}
	})
	return out
}

// step is a step's settings, as they are written and as they may be shown.
type step struct{ kind, settings, shown string }

// stepsOf returns the settings of each step.
func stepsOf(g *graph.Graph) map[string]step {
	out := map[string]step{}
	for i, n := range g.Nodes {
		if i != graph.Root {
			out[n.Name] = step{n.Kind, n.Settings(), n.Shown()}
		}
	}
	return out
}

// list is a list of terms as a step has read it.
type list struct{ step, name, path, version string }

// listsOf returns the lists that the steps tell of in the schema that leaves them.
func listsOf(g *graph.Graph) map[string]list {
	out := map[string]list{}
	for i, n := range g.Nodes {
		if i == graph.Root {
			continue
		}
		md, before := n.Out.Metadata(), g.Nodes[n.Input].Out.Metadata()
		for k, key := range md.Keys() {
			name, ok := strings.CutPrefix(key, pipeline.MetaListVersionPrefix)
			if !ok || before.FindKey(key) >= 0 { // an earlier step's
				continue
			}
			l := list{step: n.Name, name: name, version: md.Values()[k]}
			if at := md.FindKey(pipeline.MetaListPrefix + name); at >= 0 {
				l.path = md.Values()[at]
			}
			out[n.Name+"\x00"+name] = l
		}
	}
	return out
}

func listChanges(old, next *built, store *checkpoint.Store, told map[string]bool) (out []change) {
	both(listsOf(old.graph), listsOf(next.graph), func(_ string, was, is list, had, has bool) {
		told[was.path], told[is.path] = true, true
		switch {
		case !had:
			out = append(out, change{what: "list added", attrs: []any{"step", is.step, "list", is.name, "version", is.version}})
		case !has:
			out = append(out, change{what: "list removed", attrs: []any{"step", was.step, "list", was.name, "version", was.version}})
		case was.version != is.version:
			attrs := []any{"step", is.step, "list", is.name, "old", was.version, "new", is.version}
			if was.path != "" && is.path != "" {
				before, err1 := store.Object(old.manifest.Files[was.path])
				after, err2 := store.Object(next.manifest.Files[is.path])
				if err1 == nil && err2 == nil {
					added, removed := lineDifference(before, after)
					attrs = append(attrs, "terms_added", added, "terms_removed", removed)
				}
			}
			out = append(out, change{what: "list changed", attrs: attrs})
		}
	})
	return out
}

// lineDifference counts the lines of after that before has not, and the other
// way round. Blank lines and those that start with '#' count for nothing. In a
// list each other line is a term, wherever it stands.
func lineDifference(before, after []byte) (added, removed int) {
	seed, n := maphash.MakeSeed(), map[uint64]int{}
	each := func(data []byte, f func(line uint64)) {
		for line := range bytes.Lines(data) {
			if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
				f(maphash.Bytes(seed, line))
			}
		}
	}
	each(before, func(l uint64) { n[l]++ })
	each(after, func(l uint64) {
		if n[l] > 0 {
			n[l]--
		} else {
			added++
		}
	})
	for _, left := range n {
		removed += left
	}
	return added, removed
}

func ruleChanges(old, next *graph.Graph, told map[string]bool) (out []change) {
	both(rulesOf(old, told), rulesOf(next, told), func(id string, was, is pipeline.RuleInfo, had, has bool) {
		switch {
		case !had:
			out = append(out, change{what: "rule added", attrs: []any{"rule", is.ID, "version", is.Version, "mode", is.Mode}})
		case !has:
			out = append(out, change{what: "rule removed", attrs: []any{"rule", was.ID, "version", was.Version}})
		case was.Hash != is.Hash && was.Version == is.Version:
			out = append(out, change{
				warn: true, what: "rule changed under the same version; raise it, so that detections can be told apart",
				attrs: []any{"rule", is.ID, "version", is.Version},
			})
		case was.Hash != is.Hash || was.Version != is.Version || was.Mode != is.Mode:
			out = append(out, change{what: "rule changed", attrs: []any{"rule", is.ID, "old", was.Version, "new", is.Version, "mode", is.Mode}})
		}
	})
	return out
}

// rulesOf returns the rules of all steps, and notes their files.
func rulesOf(g *graph.Graph, files map[string]bool) map[string]pipeline.RuleInfo {
	out := map[string]pipeline.RuleInfo{}
	for _, n := range g.Nodes {
		if l, ok := n.Plan.(pipeline.RuleLister); ok {
			for _, r := range l.Rules() {
				out[n.Name+"\x00"+r.ID] = r
				files[r.File] = true
			}
		}
	}
	return out
}

// fileChanges lists the other files: models, and what steps of later versions
// may read.
func fileChanges(old, next map[string]checkpoint.Hash, told map[string]bool) (out []change) {
	both(old, next, func(path string, was, is checkpoint.Hash, had, has bool) {
		switch {
		case told[path] || was == is:
		case !had:
			out = append(out, change{what: "file added", attrs: []any{"file", path, "sha256", is}})
		case !has:
			out = append(out, change{what: "file no longer used", attrs: []any{"file", path}})
		default:
			out = append(out, change{what: "file changed", attrs: []any{"file", path, "old", was, "new", is}})
		}
	})
	return out
}
