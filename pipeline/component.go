package pipeline

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// Emit hands a batch on and takes over the emitter's reference to its record,
// on error too. An operator returns the error of Emit at once and as it is.
type Emit func(Batch) error

// Operator transforms batches of posts. One instance serves one worker and is
// never called by two goroutines at once, so it may keep scratch memory; it
// keeps nothing else between calls (see [Stateful] for those that do).
//
// Process emits, in row order, a posts batch for the rows that go on, and
// batches of the other streams that its plan declared. It may emit any number
// of batches. It must not change or keep in without Retain. A row that it
// cannot process goes to the rejected stream; an error from Process means a
// defect or exhausted memory and stops the pipeline.
type Operator interface {
	Process(ctx context.Context, in Batch, emit Emit) error
}

// Stateful is an operator with state by key. The engine cuts the rows into a
// fixed number of shards by the hash of the plan's key column, whatever the
// number of workers; an instance owns one shard and sees its rows in source
// order. Process emits one post for each row, in their order, before it
// returns: the engine puts the posts of all shards back into source order.
type Stateful interface {
	Operator
	// Advance tells that event time has reached watermark (UTC): rows older
	// than it are late. It is called between rows at places that depend on the
	// data only, never on the clock or on how rows were batched.
	Advance(ctx context.Context, watermark time.Time, emit Emit) error
	// Snapshot writes the whole state; the same state gives the same bytes.
	Snapshot(w io.Writer) error
	// Restore replaces the state by one that Snapshot wrote.
	Restore(r io.Reader) error
}

// Plan is a step whose config was checked against the schema that reaches it.
// It is immutable and used by all workers, and after a reload by the next graph
// too if the step's config, schema and files are the same.
type Plan interface {
	// Output is the schema of the posts that leave the step.
	Output() *arrow.Schema
	// Emits lists the streams other than posts that the step emits.
	Emits() []Stream
	// New returns a fresh operator. For a stateful step it is a [Stateful].
	New() Operator
}

// Keyed is what the Plan of a stateful step also implements.
type Keyed interface {
	// Key is the position of the key column in the schema that reaches the
	// step; its type is Utf8 or Uint64.
	Key() int
}

// Windowed is what the Plan of a stateful step also implements if its state goes
// back a bounded time. Where no snapshot is at hand, the state of a partition is
// then built again from its last rows instead of all of them.
//
// Once Advance was called with a watermark w, all that the operator emits from
// then on must follow from these alone, each in its order and place: the rows so
// far with an event time (created_at) later than w - Window, the calls of Advance
// so far with a watermark later than that, and the rows and calls to come. So an
// operator that was made anew and is given everything from some place on, before
// which no row is later than w - Window, goes on as the first one does, though it
// may hold other bytes. Rows come late and out of order: one that is not later
// than w - Window when it comes, w being the last watermark, must leave no trace.
// What holds a further emission off, such as an alarm that was raised, is state
// too, and goes back no further.
type Windowed interface {
	// Window is how far the state goes back in event time. One that is not above
	// zero says nothing: state is built from the beginning.
	Window() time.Duration
}

// Describer lets a Plan add lines to what `sluice graph` prints of it, such as
// "list extremist_terms: 412 terms".
type Describer interface {
	Describe() []string
}

// Resume tells a source where to go on in one partition.
type Resume struct {
	From Position
	// Until lists positions at which recorded epochs end, in order. No chunk
	// may straddle one of them, so that an epoch can be run again exactly.
	Until []Position
	// Durable, unless empty, tells that the rows from From up to here are durable
	// and are read for the state of steps only. It is the first of Until.
	Durable Position
	// Term is what the partition's chunks carry; 0 unless the source is [Shared].
	Term uint64
}

// Source reads a stream of records. It is used by one goroutine.
type Source interface {
	// Open prepares reading; resume has an entry for each partition that was
	// committed before. Partitions without one are read from their beginning,
	// or from where the config says.
	Open(ctx context.Context, resume map[string]Resume) error
	// Read returns the next chunk, waiting for one as long as it takes; io.EOF
	// ends a finite source. Chunks of one partition are in order and without
	// gaps. When ctx ends Read returns its error soon, having lost nothing.
	Read(ctx context.Context) (Chunk, error)
	// Commit tells that everything of the partition before upTo is durable.
	Commit(ctx context.Context, partition string, upTo Position) error
	// Close frees everything; it is called once, also after a failed Open.
	Close(ctx context.Context) error
}

// Lagger is implemented by sources that know how far behind they are.
type Lagger interface {
	// Lag returns what is left to read, in bytes or records as unit says
	// ("bytes", "records"), and whether it is known. Total is the whole size
	// for a finite source and 0 otherwise. Safe to call from any goroutine.
	Lag() (left, total int64, unit string, known bool)
}

// Keeper is implemented by sources that delete what nobody needs any more.
type Keeper interface {
	// Keep tells, after Commit, that Open will not go back before from in the
	// partition. That is the committed position, or, when steps keep state, the
	// position of the last snapshot of it: from there the state is built again.
	Keep(ctx context.Context, partition string, from Position) error
}

// Decoder turns chunks into batches of posts. One instance serves one worker.
type Decoder interface {
	// Decode emits posts and rejected batches whose rows together are the
	// chunk's records less its blank lines. It does not keep c.Data: what it
	// emits is copied.
	Decode(ctx context.Context, c *Chunk, emit Emit) error
}

// DecodePlan is the plan half of a decoder.
type DecodePlan interface {
	// Output is the schema of the posts that leave the decoder.
	Output() *arrow.Schema
	New() Decoder
}

// SourcePlan is a source whose config was checked.
type SourcePlan interface {
	// Decode is how the source's chunks are to be decoded.
	Decode() DecodePlan
	New() (Source, error)
}

// Sink writes epochs. Write is called for the next epoch only after it
// returned for the one before, unless the sink is an [Overlapper]; Open and
// Close frame all writes.
type Sink interface {
	// Open connects and checks that the target fits the schemas that the plan
	// was given.
	Open(ctx context.Context) error
	// Write makes the batches durable and returns nil, or it returns an error
	// of which [IsRetryable] tells the kind; the engine then calls it again
	// with the same key and the same batches. Batches are grouped by stream,
	// in the order of the Stream constants, and in row order within a stream;
	// they may be empty of a stream or altogether. The same key again is
	// harmless.
	Write(ctx context.Context, key Key, in []Batch) error
	Close(ctx context.Context) error
}

// Overlapper is implemented by sinks that write several epochs at a time. The
// engine then calls Write for as many as Overlap says, each from a goroutine of
// its own, begun in the order of the epochs. Which of them ends first is open,
// and after a crash any of them may be there: so the order in which epochs
// become durable must not matter to the target.
type Overlapper interface {
	Overlap() int
}

// SinkPlan is a sink whose config was checked against the streams it takes.
type SinkPlan interface {
	New() (Sink, error)
}

// Single is implemented by SinkPlans of which a process can not have two sinks
// open: they would both use one folder, say. Such a sink can not take rows of
// both parts of a pipeline that is cut in two.
type Single interface {
	Single() bool
}

// Schemas holds the schema of each stream that reaches a sink; nil for a
// stream that it does not take.
type Schemas [NumStreams]*arrow.Schema

// Files gives the contents of the files that a config names (rules, lists,
// models). Factories read files through it and by no other way, and while
// planning only: so each is recorded with its hash, kept until the epochs that
// were computed with it are durable, given again, unchanged, when such an epoch
// is replayed, and watched for changes while the pipeline runs.
type Files interface {
	// ReadFile returns the file's bytes; path is relative to the config file.
	ReadFile(path string) ([]byte, error)
	// Glob returns the paths that match pattern, sorted.
	Glob(pattern string) ([]string, error)
}

// BuildContext is what a factory is given beside its config.
type BuildContext struct {
	Pipeline string           // the pipeline's name
	Name     string           // the step's or sink's own name, unique in the pipeline
	Dir      string           // folder of the config file; relative data paths start here
	Files    Files            // see there
	Mem      memory.Allocator // for all Arrow memory of the component
	Logger   *slog.Logger     // never nil
}

// Factory describes a component kind and builds it. Exactly one of the Plan
// functions is set. There is no registration: sources.All, operators.All and
// sinks.All list the factories, and two of one name is a start-up error.
type Factory struct {
	Name    string // the config key, the package's name and the folder's name
	Summary string // one line for `sluice components`
	Doc     string // Markdown, for the reference
	Example string // a YAML fragment that validates: the component's own config

	// NewConfig returns a pointer to a config struct with its defaults set. Its
	// fields carry the tags `koanf:"key"` and `doc:"one line"`, and if it has a
	// method Validate() error, that is called after decoding.
	NewConfig func() any

	PlanSource   func(bc BuildContext, config any) (SourcePlan, error)
	PlanOperator func(bc BuildContext, config any, in *arrow.Schema) (Plan, error)
	PlanSink     func(bc BuildContext, config any, in Schemas) (SinkPlan, error)

	// Takes lists the streams that a sink takes when its config has no `from`.
	Takes []Stream

	// Local marks a sink that knows what it has by what this process alone can
	// see. It can not serve a source that is [Shared].
	Local bool
}

// SourceFactory fills a Factory for a source with config type C.
func SourceFactory[C any](f Factory, defaults func() C, plan func(BuildContext, *C) (SourcePlan, error)) Factory {
	f.NewConfig = newConfig(defaults)
	f.PlanSource = func(bc BuildContext, config any) (SourcePlan, error) {
		c, err := typed[C](f.Name, config)
		if err != nil {
			return nil, err
		}
		return plan(bc, c)
	}
	return f
}

// OperatorFactory fills a Factory for an operator with config type C.
func OperatorFactory[C any](f Factory, defaults func() C, plan func(BuildContext, *C, *arrow.Schema) (Plan, error)) Factory {
	f.NewConfig = newConfig(defaults)
	f.PlanOperator = func(bc BuildContext, config any, in *arrow.Schema) (Plan, error) {
		c, err := typed[C](f.Name, config)
		if err != nil {
			return nil, err
		}
		return plan(bc, c, in)
	}
	return f
}

// SinkFactory fills a Factory for a sink with config type C.
func SinkFactory[C any](f Factory, defaults func() C, plan func(BuildContext, *C, Schemas) (SinkPlan, error)) Factory {
	f.NewConfig = newConfig(defaults)
	f.PlanSink = func(bc BuildContext, config any, in Schemas) (SinkPlan, error) {
		c, err := typed[C](f.Name, config)
		if err != nil {
			return nil, err
		}
		return plan(bc, c, in)
	}
	return f
}

func newConfig[C any](defaults func() C) func() any {
	return func() any {
		c := defaults()
		return &c
	}
}

func typed[C any](name string, config any) (*C, error) {
	c, ok := config.(*C)
	if !ok {
		return nil, fmt.Errorf("%s: config is a %T, want %T: build it with the factory's NewConfig", name, config, c)
	}
	return c, nil
}

// RuleInfo is what a store keeps of a rule, so that a detection's rule_id,
// rule_version and rule_hash lead to what was in force.
type RuleInfo struct {
	ID        string
	Version   uint32
	Hash      string // hex SHA-256 of the rule's canonical form
	Owner     string
	Severity  string // info, low, medium, high, critical
	Mode      string // live, shadow, off
	Labels    []string
	Condition string // as the rule file writes it
	File      string // where the rule stands
	Runbook   string // https address of what to do about it; "" none
}

// RuleLister is implemented by the Plan of a step that applies rules.
type RuleLister interface {
	Rules() []RuleInfo
}

// RuleRegistrar is implemented by sinks that keep a register of rules, or tell
// more of them than detections do. It is
// told after Open, before the first write, and again after a reload, while no
// write is under way and before the first one with rows of the new rules.
// Telling it the same again is harmless.
type RuleRegistrar interface {
	RegisterRules(ctx context.Context, rules []RuleInfo) error
}
