package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

const envPrefix = "SLUICE_"

// ExemptVariables returns the names of SLUICE_ variables that are not settings
// of a pipeline file and that the loader leaves alone.
func ExemptVariables() []string {
	return []string{
		"SLUICE_CACHE",               // folder of downloaded and built files
		"SLUICE_CLICKHOUSE_PASSWORD", // the writer of `sluice clickhouse serve`
		"SLUICE_CHDB_PIN",            // which release of the embedded engine to fetch
		"SLUICE_CHDB_SHA512",         // checksum of that release
		"SLUICE_DATA",                // data sets of tests and benchmarks
		"SLUICE_EMBEDDED_CHILD",      // set by the program for its child process
	}
}

// testPrefix is that of variables which tests pass to programs they start.
const testPrefix = "SLUICE_TEST_"

// Kubernetes gives every container variables about each service of its
// namespace: a service called sluice, or sluice-something, yields these.
var serviceVariable = regexp.MustCompile(
	`^SLUICE(_[A-Z0-9]+)*_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?)?)$`)

// exempt tells whether a variable is none of ours. A double underscore always
// is: no service's name has one.
func exempt(name string) bool {
	return slices.Contains(ExemptVariables(), name) || strings.HasPrefix(name, testPrefix) ||
		!strings.Contains(name, "__") && serviceVariable.MatchString(name)
}

// environ applies the SLUICE_ variables in the order of their names, so that
// the outcome does not depend on the order of the environment.
func (l *layers) environ(vars []string, order int) {
	vars = slices.DeleteFunc(slices.Clone(vars), func(v string) bool { return !strings.HasPrefix(v, envPrefix) })
	slices.Sort(vars)
	for i, kv := range vars {
		name, value, ok := strings.Cut(kv, "=")
		if !ok || exempt(name) {
			continue
		}
		in := &origin{name: name, order: order + i}
		path := strings.Split(strings.ToLower(strings.TrimPrefix(name, envPrefix)), "__")
		if !slices.Contains(overridable(), path[0]) || slices.Contains(path, "") {
			l.probs.add(pos{in: in}, "", "the variable names no setting", variableHint(name))
			continue
		}
		l.value(in, path, value, true)
	}
}

// variableHint looks for a setting's variable that is near to name.
func variableHint(name string) string {
	var all []string
	if strings.Contains(name, "___") || strings.HasSuffix(name, "__") {
		return "between two double underscores there must be a key"
	}
	for _, f := range topFields() {
		if f.Path == "include" {
			continue
		}
		all = append(all, envPrefix+strings.ToUpper(strings.ReplaceAll(f.Path, ".", "__")))
	}
	// SLUICE_ENGINE_WORKERS for SLUICE_ENGINE__WORKERS is the likeliest slip.
	single := func(s string) string { return strings.TrimRight(strings.ReplaceAll(s, "__", "_"), "_") }
	for _, a := range all {
		if single(a) == single(name) {
			return fmt.Sprintf("did you mean %s?", a)
		}
	}
	if n := Nearest(name, all); n != "" {
		return fmt.Sprintf("did you mean %s?", n)
	}
	return "a double underscore separates levels, as in SLUICE_ENGINE__WORKERS for engine.workers"
}

// overridable lists the top-level keys that overrides may address.
func overridable() []string {
	var keys []string
	for _, f := range Describe(&document{}).Fields {
		if f.Key != "include" {
			keys = append(keys, f.Key)
		}
	}
	return keys
}

// sets applies the --set flags in their order.
func (l *layers) sets(sets []string, order int) {
	for i, s := range sets {
		key, value, ok := strings.Cut(s, "=")
		in := &origin{name: "--set " + clip(key), order: order + i}
		if !ok {
			in.name = "--set" // what follows may be a value: do not show it
			l.probs.add(pos{in: in}, "", `a setting lacks "="`, "write it as path=value, such as engine.workers=4")
			continue
		}
		path := splitPath(key)
		if slices.Contains(path, "") {
			l.probs.add(pos{in: in}, "", "the path has an empty part", "write it as path=value, such as engine.workers=4")
			continue
		}
		if keys := overridable(); !slices.Contains(keys, path[0]) {
			l.probs.add(pos{in: in}, "", fmt.Sprintf("unknown key %q", path[0]), didYouMean(path[0], keys))
			continue
		}
		l.value(in, path, value, false)
	}
}

// splitPath cuts a path at its dots, except at those written `\.`.
func splitPath(s string) []string {
	var parts []string
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == '.':
			b.WriteByte('.')
			i++
		case s[i] == '.':
			parts = append(parts, b.String())
			b.Reset()
		default:
			b.WriteByte(s[i])
		}
	}
	return append(parts, b.String())
}

// value reads an override's text and applies it. Hidden text, that of a variable,
// is not shown in errors.
func (l *layers) value(in *origin, path []string, text string, hidden bool) {
	at := pos{in: in}
	if len(path) > maxDepth {
		l.probs.add(at, "", fmt.Sprintf("the path has more than %d parts", maxDepth), "")
		return
	}
	for _, p := range path {
		if len(p) > maxKeyBytes || strings.ContainsAny(p, delim+marker) {
			l.probs.add(at, "", "a part of the path is too long or holds a control character", "")
			return
		}
	}
	if !utf8.ValidString(text) {
		l.probs.add(at, "", "the value is not UTF-8 text", "")
		return
	}
	if n := l.overrideNode(at, text); n != nil {
		n.walk("", func(_ string, n *node) { n.hidden = hidden })
		l.override(path, normaliseAt(path, n))
	}
}

// overrideNode is the value of an override: YAML when it looks like a list, a
// mapping or a quoted text, otherwise one scalar just as it stands.
func (l *layers) overrideNode(at pos, text string) *node {
	if text != "" && strings.ContainsRune(`[{"'`, rune(text[0])) {
		var own problems
		r := &yamlReader{in: at.in, probs: &own, budget: l.budget}
		n := r.read([]byte(text))
		if n == nil || own.any() {
			l.probs.add(at, "", "the value is not valid YAML: "+own.list[0].err.Msg, own.list[0].err.Hint)
			return nil
		}
		n.relocate(at)
		return n
	}
	if len(text) > maxFileBytes {
		l.probs.add(at, "", fmt.Sprintf("the value has more than %d bytes", maxFileBytes), "")
		return nil
	}
	n := &node{at: at, keyAt: at, text: text, value: text}
	// An empty value is an empty text, not the null that it is in a file.
	n.plain = text == "null" || text == "true" || text == "false" || validNumber(text) || strings.Contains(text, "${")
	return n
}

// relocate gives all nodes one place: lines and columns within an override say
// nothing to anybody.
func (n *node) relocate(at pos) {
	n.at, n.keyAt = at, at
	for _, e := range n.items {
		e.relocate(at)
	}
	for _, f := range n.fields {
		f.relocate(at)
	}
}
