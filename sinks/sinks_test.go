package sinks

import (
	"reflect"
	"slices"
	"testing"
	"time"
)

// TestFactories checks what the reference and the config loader rely on.
func TestFactories(t *testing.T) {
	var names []string
	for _, f := range All() {
		names = append(names, f.Name)
		if f.Summary == "" || f.Doc == "" || f.Example == "" || len(f.Takes) == 0 || f.PlanSink == nil {
			t.Errorf("%s: summary, doc, example, streams and PlanSink are needed", f.Name)
		}
		config := reflect.TypeOf(f.NewConfig())
		if config.Kind() != reflect.Pointer || config.Elem().Kind() != reflect.Struct {
			t.Errorf("%s: NewConfig returns %s", f.Name, config)
			continue
		}
		checkTags(t, f.Name, config.Elem())
	}
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("names are not in order, or there twice: %v", names)
	}
}

// checkTags wants a key and a line of documentation on each field.
func checkTags(t *testing.T, path string, typ reflect.Type) {
	t.Helper()
	for f := range typ.Fields() {
		if !f.IsExported() {
			continue
		}
		if f.Anonymous && f.Tag == "" { // its keys are those of the struct around it
			checkTags(t, path, f.Type)
			continue
		}
		key := f.Tag.Get("koanf")
		if key == "" || f.Tag.Get("doc") == "" {
			t.Errorf("%s: field %s lacks its koanf or doc tag", path, f.Name)
		}
		if f.Type.Kind() == reflect.Struct && f.Type != reflect.TypeFor[time.Time]() {
			checkTags(t, path+"."+key, f.Type)
		}
	}
}
