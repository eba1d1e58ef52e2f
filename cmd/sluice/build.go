package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/internal/reference"
	"github.com/sluicehq/sluice/internal/slab"
	"github.com/sluicehq/sluice/operators"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/checkpoint"
	"github.com/sluicehq/sluice/pipeline/config"
	"github.com/sluicehq/sluice/pipeline/graph"
	"github.com/sluicehq/sluice/sinks"
	"github.com/sluicehq/sluice/sources"
)

// program is the version of the rules of computation. It is raised when the
// same input and config may give other rows than before, so that an epoch that
// an older program began is known to be one.
const program = "1"

// slabLimit is how many bytes of freed column memory are kept for reuse.
const slabLimit = 256 << 20

func catalog() reference.Catalog {
	return reference.Catalog{Sources: sources.All(), Operators: operators.All(), Sinks: sinks.All()}
}

func registry() (graph.Registry, error) {
	return graph.NewRegistry(sources.All(), operators.All(), sinks.All())
}

// fileFlags are the flags of commands that read a pipeline file.
type fileFlags struct {
	sets  []string
	stdin []byte // what the path "-" was, once it has been read
}

func (f *fileFlags) add(c *cobra.Command) {
	c.Flags().StringArrayVar(&f.sets, "set", nil, "set a value of the config, as in --set engine.workers=2 (repeatable)")
}

// load reads a pipeline file; watch remembers the files that were read.
func (f *fileFlags) load(path string, watch *graph.Watch) (*config.Spec, error) {
	opt := config.Options{
		Sets: f.sets, Env: os.LookupEnv, Environ: os.Environ(), Glob: watch.Glob,
		ReadFile: func(path string) ([]byte, error) { return watch.ReadFile(path, config.ReadFile) },
	}
	if path == "-" {
		if f.stdin == nil {
			data, err := io.ReadAll(io.LimitReader(os.Stdin, maxStdin))
			if err != nil {
				return nil, usage(err)
			}
			f.stdin = data
		}
		opt.Stdin = bytes.NewReader(f.stdin)
	}
	spec, err := config.Load(path, opt)
	return spec, usage(err)
}

// maxStdin is more than the config reader takes, which says so.
const maxStdin = 8 << 20

// built is a pipeline file that was read and checked.
type built struct {
	spec     *config.Spec
	graph    *graph.Graph
	cut      *cut // the graph as it is run
	files    *graph.DirFiles
	manifest checkpoint.Manifest // see describe
	watch    *graph.Watch        // of all files that were read
	log      *slog.Logger        // as the file's log section says
}

// build reads a pipeline file and checks it against the components, which log
// to w as the file says; nil for no log.
func (f *fileFlags) build(path string, w io.Writer, opt graph.Options) (*built, error) {
	watch := graph.NewWatch()
	spec, err := f.load(path, watch)
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.DiscardHandler)
	if w != nil {
		log = newLogger(w, spec.Log)
	}
	return assemble(spec, watch, log, opt)
}

// assemble checks a config against the components.
func assemble(spec *config.Spec, watch *graph.Watch, log *slog.Logger, opt graph.Options) (_ *built, err error) {
	b := &built{spec: spec, files: graph.NewWatchedFiles(spec.Dir, watch), watch: watch, log: log}
	if opt.Registry, err = registry(); err != nil {
		return nil, err
	}
	opt.Files, opt.Logger = b.files, b.log
	if opt.Mem == nil {
		opt.Mem = slab.New(slabLimit)
	}
	if b.graph, err = graph.Build(spec, opt); err != nil {
		return nil, usage(err)
	}
	if opt.WithoutSinks { // it is not to be run
		return b, nil
	}
	if b.cut, err = cutGraph(spec, b.graph, b.log); err != nil {
		return nil, usage(err)
	}
	return b, nil
}

// deciding lists the parts of a config that decide what rows there are. The
// rest (sinks, engine, log) may change between the start of an epoch and its
// replay: the new ones hold.
var deciding = []string{"source", "steps"}

// describe notes what the graph was built from, and returns its hash.
func (b *built) describe() (checkpoint.Hash, error) {
	contents, globs := b.files.Read()
	cfg, err := mergeConfig(nil, b.spec.Raw())
	if err != nil {
		return "", err
	}
	b.manifest = checkpoint.Manifest{Program: program, Config: cfg, Files: map[string]checkpoint.Hash{}, Globs: globs}
	for path, data := range contents {
		b.manifest.Files[path] = checkpoint.HashOf(data)
	}
	return b.manifest.Hash()
}

// store puts what the graph was built from into the stores, and lets go of the
// files' contents.
func (b *built) store(stores ...*checkpoint.Store) (h checkpoint.Hash, err error) {
	contents, _ := b.files.Read()
	defer b.files.Forget()
	for _, store := range stores {
		if h, err = store.PutManifest(b.manifest, func(path string) []byte { return contents[path] }); err != nil {
			return "", err
		}
	}
	return h, nil
}

// mergeConfig returns base with the deciding parts of from put in, as JSON; an
// empty base takes those parts only.
func mergeConfig(base, from []byte) (json.RawMessage, error) {
	out, parts := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	if len(base) > 0 {
		if err := json.Unmarshal(base, &out); err != nil {
			return nil, err
		}
	}
	if err := json.Unmarshal(from, &parts); err != nil {
		return nil, err
	}
	for _, key := range deciding {
		delete(out, key)
		if v, ok := parts[key]; ok {
			out[key] = v
		}
	}
	return json.Marshal(out)
}

// rebuild builds the graph that a stored manifest describes, with this
// process's environment for ${...} and the other parts of the config from now.
// It returns that part of the graph which has the number.
func rebuild(now *config.Spec, mem memory.Allocator, store *checkpoint.Store, log *slog.Logger, part int) func(checkpoint.Hash) (*graph.Graph, error) {
	return func(h checkpoint.Hash) (*graph.Graph, error) {
		m, err := store.Manifest(h)
		if err != nil {
			return nil, err
		}
		if m.Program != program {
			return nil, fmt.Errorf("they were begun by a sluice whose results may differ (computation %s, this one is %s): run that version once more with the same config, until it has started and stopped", m.Program, program)
		}
		raw, err := mergeConfig(now.Raw(), m.Config)
		if err != nil {
			return nil, err
		}
		spec, err := config.Parse(filepath.Join(now.Dir, "stored-config"), raw, config.Options{Env: os.LookupEnv})
		if err != nil {
			return nil, err
		}
		reg, err := registry()
		if err != nil {
			return nil, err
		}
		g, err := graph.Build(spec, graph.Options{Registry: reg, Mem: mem, Logger: log, Files: graph.StoredFiles{
			Get: func(path string) ([]byte, error) {
				o, ok := m.Files[path]
				if !ok {
					return nil, fmt.Errorf("%s was not stored", path)
				}
				return store.Object(o)
			},
			Globs: m.Globs,
		}})
		if err != nil {
			return nil, err
		}
		c, err := cutGraph(spec, g, log)
		if err != nil {
			return nil, err
		}
		if part >= len(c.parts) {
			return nil, errors.New("they are of a part that the pipeline had before its repartition step was taken out")
		}
		return c.parts[part], nil
	}
}

// newLogger logs to w as the config says.
func newLogger(w io.Writer, l config.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		level = slog.LevelInfo // the config has checked it
	}
	opt := &slog.HandlerOptions{Level: level}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opt))
	}
	return slog.New(slog.NewTextHandler(w, opt))
}

// find returns the factory of a component kind in one group.
func find(list []pipeline.Factory, group, name string) (pipeline.Factory, error) {
	names := make([]string, 0, len(list))
	for _, f := range list {
		if f.Name == name {
			return f, nil
		}
		names = append(names, f.Name)
	}
	msg := fmt.Sprintf("there is no %s called %q", group, name)
	if near := config.Nearest(name, names); near != "" {
		msg += fmt.Sprintf("; did you mean %q?", near)
	}
	return pipeline.Factory{}, usage(errors.New(msg + " `sluice components` lists them"))
}
