package config

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/sluicehq/sluice/pipeline"
)

// Spec is a pipeline file that was read and checked as far as that goes without
// knowing the components.
type Spec struct {
	Pipeline string
	// Path is the file's path as it was given, "stdin" for "-". Dir is its
	// folder: relative paths of data, rules and the checkpoint start there.
	Path, Dir string

	Source       Component
	Steps, Sinks []Component // steps in their order

	Engine     Engine
	Checkpoint Checkpoint
	Reload     Reload
	Admin      Admin
	Tracing    Tracing
	Log        Log

	raw []byte
}

// Engine holds the settings of the running pipeline.
type Engine struct {
	Workers          int           `koanf:"workers" doc:"Number of workers that decode and process batches; 0 takes all cores. The output does not depend on it." min:"0" max:"1024"`
	Epoch            Epoch         `koanf:"epoch" doc:"When an epoch, the unit that sinks write and that is replayed after a crash, ends: at whichever bound comes first."`
	InFlight         int           `koanf:"in_flight" doc:"Epochs that may be under way at once. It bounds memory: a slow sink slows the source." min:"1" max:"64"`
	DrainTimeout     time.Duration `koanf:"drain_timeout" doc:"Time that a stopping pipeline takes to finish what it has read; what is left is replayed at the next start." max:"1h"`
	Retry            Retry         `koanf:"retry" doc:"Waits between attempts of a sink's write after a passing fault, doubling from initial to max."`
	SnapshotInterval time.Duration `koanf:"snapshot_interval" doc:"Time between snapshots of operator state. Longer makes a restart read more again." min:"1s" max:"1d"`
	Lateness         time.Duration `koanf:"lateness" doc:"How far the watermark stays behind the newest event time: posts older than that are late." max:"30d"`
}

// Epoch bounds an epoch.
type Epoch struct {
	Rows     int               `koanf:"rows" doc:"Most rows in an epoch." min:"1" max:"10000000"`
	Bytes    pipeline.ByteSize `koanf:"bytes" doc:"Most bytes of input in an epoch." min:"64KiB" max:"4GiB"`
	Interval time.Duration     `koanf:"interval" doc:"Longest time from an epoch's first row to its end, when input is slow." min:"1ms" max:"1h"`
}

// Retry bounds the waits between attempts.
type Retry struct {
	Initial time.Duration `koanf:"initial" doc:"Wait before the second attempt." min:"1ms" max:"1h"`
	Max     time.Duration `koanf:"max" doc:"Longest wait between two attempts." min:"1ms" max:"1d"`
}

// Checkpoint says where the pipeline's progress is kept.
type Checkpoint struct {
	Path  string `koanf:"path" doc:"Folder of positions, epoch intents and operator state; relative to the pipeline file's folder, as all data paths are, so that the same file finds it from wherever it is started." example:"/var/lib/sluice/checkpoint"`
	Fsync bool   `koanf:"fsync" doc:"Force each record to disk. Without it a power failure, though not a crash of the process, may lose the last epochs' records."`
}

// Reload says when the running pipeline takes up changed files.
type Reload struct {
	Watch    bool          `koanf:"watch" doc:"Look whether this file, or a file that it or a step names (lists, rules, models), has changed, and take the change up while running. SIGHUP does it at once, whether this is on or off. A change that is wrong is refused whole and what runs stays."`
	Interval time.Duration `koanf:"interval" doc:"Time between two looks at the files." min:"10ms" max:"1d"`
}

// Log says how the program logs, on standard error.
type Log struct {
	Level  string `koanf:"level" doc:"Least severity of what is logged." enum:"debug,info,warn,error"`
	Format string `koanf:"format" doc:"Form of a line." enum:"text,json"`
}

// document is the top level of a file. Nodes are taken out as they are.
type document struct {
	Pipeline   string     `koanf:"pipeline" doc:"The pipeline's name: a lower-case letter, then letters, digits, _ or -. It is part of the keys under which sinks know what they have written, so a new name starts anew." required:"true" example:"firehose"`
	Include    *node      `koanf:"include" words:"file, pattern or list of them" doc:"Files or patterns, relative to this file, that are read before it and that it wins over. Their steps and sinks come before its own."`
	Source     *node      `koanf:"source" words:"component" doc:"Where posts come from: a mapping with one key, the kind of source." required:"true"`
	Steps      *node      `koanf:"steps" words:"list of components" doc:"What is done with each post, in order: a list of mappings with one key each, the kind of operator."`
	Sinks      *node      `koanf:"sinks" words:"list of components" doc:"Where results go: a list of mappings with one key each, the kind of sink." required:"true"`
	Engine     Engine     `koanf:"engine" doc:"How the pipeline runs."`
	Checkpoint Checkpoint `koanf:"checkpoint" doc:"Where progress is kept."`
	Reload     Reload     `koanf:"reload" doc:"How changed files are taken up while the pipeline runs."`
	Admin      Admin      `koanf:"admin" doc:"The HTTP listener of metrics and health."`
	Tracing    Tracing    `koanf:"tracing" doc:"OpenTelemetry traces of epochs."`
	Log        Log        `koanf:"log" doc:"What is logged."`
}

// defaults of everything that a file may leave out.
func defaults() *document {
	return &document{
		Engine: Engine{
			Epoch:            Epoch{Rows: 65536, Bytes: 64 << 20, Interval: time.Second},
			InFlight:         3,
			DrainTimeout:     30 * time.Second,
			Retry:            Retry{Initial: 100 * time.Millisecond, Max: 30 * time.Second},
			SnapshotInterval: 30 * time.Second,
			Lateness:         time.Minute,
		},
		Checkpoint: Checkpoint{Path: "data/checkpoint", Fsync: true},
		Reload:     Reload{Watch: true, Interval: 2 * time.Second},
		Admin:      Admin{Listen: "127.0.0.1:9187"},
		Tracing:    Tracing{Ratio: 1},
		Log:        Log{Level: "info", Format: "text"},
	}
}

// TopLevel describes the keys of a pipeline file. Components are of kind
// [Free]: their own shapes come from the factories.
func TopLevel() *Shape { return Describe(defaults()) }

func topFields() []FieldDoc { return FieldDocs(defaults()) }

// Raw returns the config with all layers merged but before interpolation, as
// canonical JSON: keys sorted, includes and overrides in their places. [Parse]
// reads it to the same Spec, given the same variables. No value that came by
// ${...} is in it. The caller must not change it.
func (s *Spec) Raw() []byte { return s.raw }

// Resolve returns a path from the config relative to the config's folder.
func (s *Spec) Resolve(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(s.Dir, path)
}

// newSpec decodes the merged tree; errors go to probs.
func newSpec(name string, root *node, probs *problems) *Spec {
	doc := defaults()
	d := &decoder{probs: probs}
	d.document(root, doc)
	s := &Spec{
		Pipeline: doc.Pipeline, Path: name, Dir: filepath.Dir(name),
		Engine: doc.Engine, Checkpoint: doc.Checkpoint, Reload: doc.Reload, Admin: doc.Admin, Tracing: doc.Tracing, Log: doc.Log,
	}
	if n := root.fields["pipeline"]; n != nil && !n.broken && doc.Pipeline != "" && !validName(doc.Pipeline, "-") {
		probs.add(n.at, "pipeline", fmt.Sprintf("%s is not a pipeline's name", n.describe()),
			"use a lower-case letter, then at most 63 letters, digits, _ or -")
	}
	s.check(root, probs)
	cs := components{probs: probs}
	if doc.Source != nil {
		s.Source = cs.one("source", doc.Source)
		s.Source.Name = s.Source.Kind
		if cs.named != "" {
			s.Source.Name = cs.named
		}
	}
	steps := cs.list("steps", doc.Steps)
	sinks := cs.list("sinks", doc.Sinks)
	if doc.Sinks != nil && doc.Sinks.kind == list && len(doc.Sinks.items) == 0 {
		probs.add(doc.Sinks.at, "sinks", "there is no sink", "write at least one")
	}
	cs.names(steps, sinks)
	cs.sources(steps, sinks)
	s.Steps, s.Sinks = resolved(steps), resolved(sinks)
	return s
}

// check looks at what field rules can not express.
func (s *Spec) check(root *node, probs *problems) {
	fail := func(path, msg, hint string) {
		n := root.find(path)
		if !n.broken {
			probs.add(n.place(), path, msg, hint)
		}
	}
	if s.Engine.Retry.Max < s.Engine.Retry.Initial {
		fail("engine.retry.max", "must not be less than engine.retry.initial", "")
	}
	if s.Checkpoint.Path == "" {
		fail("checkpoint.path", "must not be empty", "")
	}
	if _, fault := s.Tracing.url(); fault != "" {
		fail("tracing.endpoint", fault, "write for example http://127.0.0.1:4318")
	}
	s.Admin.check(root.find("admin.listen").describe(), fail)
}
