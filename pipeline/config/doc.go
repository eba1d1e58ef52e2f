// Package config reads a pipeline file into a [Spec]: YAML files, then SLUICE_*
// environment variables, then --set flags, each layer over the one before.
//
// # Strictness
//
// Whatever is not understood is an error that names the file, line, column and
// key path, what was found, what is wanted and the nearest valid name: unknown
// and duplicate keys, wrong types, values out of range, missing variables. All
// errors of a layer are collected and given in file order, joined by
// errors.Join; each one is an [*Error].
//
// # Layers
//
// koanf merges the layers: mappings merge key by key, everything else is
// replaced by the later layer. `include: [other.yaml, "conf.d/*.yaml"]` at the
// top level reads other files first, relative to the including file, so that
// the including file wins over what it includes and a later include over an
// earlier one. Two lists are an exception: `steps` and `sinks` of included
// files come before those of the including file. A later `source` of another
// kind replaces the earlier one as a whole. One file is included only once.
//
// An override addresses a value by its path, list elements by number:
//
//	--set engine.workers=4 --set steps.0.match.lists.terms.path=a.csv
//	SLUICE_ENGINE__WORKERS=4   SLUICE_STEPS__0__MATCH__LISTS__TERMS__PATH=a.csv
//
// In a variable's name a double underscore separates levels and letters are
// lower-cased. A value that starts with [, {, " or ' is read as YAML, any other
// is one scalar as it stands. Overrides become part of the config that is kept
// beside the checkpoint: give secrets as ${...}. Variables that the program reads for other
// purposes (see [ExemptVariables]) and those that Kubernetes sets for a service
// called sluice are left alone; any other SLUICE_ name must name a setting. In a
// --set path a dot within a key is written `\.`.
//
// # Interpolation
//
// A scalar value may hold ${NAME}, ${NAME:default} (the default stands in for
// a variable that is unset or empty), ${file:/run/secrets/x} (at most 64 KiB,
// one trailing newline removed, relative to the main file's folder) and $${ for
// a plain "${". The text that comes in is part of one scalar and can not become
// structure; in a number, bool, duration or size field it is read as such, in a
// free-form section it stays text. Errors show the ${...}, never what it
// stands for.
//
// # YAML
//
// The dialect is small on purpose: numbers are written as JSON writes them,
// bools are true and false, everything else that is not quoted is text; null is
// refused except for a section, where it stands for an empty one. Anchors,
// aliases and << merges work, tags other than the core ones do not. A file is
// at most 1 MiB, 64 levels deep and 100,000 nodes with aliases expanded.
// Top-level keys that start with "x-" are ignored: a place for anchors.
//
// # Components
//
// Each of source, steps and sinks holds mappings with exactly one key, the
// component's kind; `- normalize` and `- normalize: {}` are the same. The config
// of a component is decoded later, by [Component.Decode], into the struct that
// its factory gives. See [Describe] for the types and tags that such a struct
// may use.
package config
