package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

const (
	maxKeys  = 10 // of one step that the difference names
	maxValue = 60 // bytes of a value that it shows
)

// keysChanged names the keys of two settings (JSON with secrets masked) that
// differ, with their values: "threshold: 0.5 -> 0.7, lists.terms.path: added x.txt".
func keysChanged(was, is string) string {
	before, after := leaves(was), leaves(is)
	keys := slices.Collect(maps.Keys(before))
	for k := range after {
		if _, ok := before[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	var out []string
	for _, k := range keys {
		old, had := before[k]
		now, has := after[k]
		switch {
		case old == now && had == has:
		case !had:
			out = append(out, k+": added "+brief(now))
		case !has:
			out = append(out, k+": removed "+brief(old))
		default:
			out = append(out, k+": "+brief(old)+" -> "+brief(now))
		}
	}
	if len(out) == 0 {
		return "a value that is not shown"
	}
	if more := len(out) - maxKeys; more > 0 {
		out = append(out[:maxKeys], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(out, ", ")
}

// leaves returns the plain values of settings by their path.
func leaves(settings string) map[string]string {
	out := map[string]string{}
	d := json.NewDecoder(bytes.NewReader([]byte(settings)))
	d.UseNumber()
	var v any
	if d.Decode(&v) == nil { // what the config has written is JSON
		walk("", v, out)
	}
	return out
}

func walk(path string, v any, out map[string]string) {
	at := func(key string) string { return strings.TrimPrefix(path+"."+key, ".") }
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			walk(at(k), e, out)
		}
	case []any:
		for i, e := range v {
			walk(at(strconv.Itoa(i)), e, out)
		}
	default:
		out[path] = fmt.Sprint(v)
	}
}

func brief(s string) string {
	if len(s) > maxValue {
		s = s[:maxValue] + "…"
	}
	return strings.ToValidUTF8(s, "�")
}
