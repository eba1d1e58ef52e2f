package config

import "reflect"

// Changed returns the keys, such as "engine.workers", of the sections that are
// read at the start only, of which the values differ between two files. The
// pipeline's name is among them; the source, steps and sinks are not.
func Changed(now, was *Spec) (keys []string) {
	if now.Pipeline != was.Pipeline {
		keys = append(keys, "pipeline")
	}
	for _, s := range []struct {
		name     string
		now, was any
	}{
		{"engine", now.Engine, was.Engine},
		{"checkpoint", now.Checkpoint, was.Checkpoint},
		{"reload", now.Reload, was.Reload},
		{"admin", now.Admin, was.Admin},
		{"tracing", now.Tracing, was.Tracing},
		{"log", now.Log, was.Log},
	} {
		keys = changedIn(keys, s.name, reflect.ValueOf(s.now), reflect.ValueOf(s.was))
	}
	return keys
}

func changedIn(keys []string, path string, now, was reflect.Value) []string {
	if now.Kind() != reflect.Struct {
		if !reflect.DeepEqual(now.Interface(), was.Interface()) {
			keys = append(keys, path)
		}
		return keys
	}
	for _, f := range fieldsOf(now.Type()) {
		keys = changedIn(keys, join(path, f.key), now.FieldByIndex(f.index), was.FieldByIndex(f.index))
	}
	return keys
}
