package pipeline

import "time"

// Tracer is told how the time of each epoch was spent. Its methods are called
// by the goroutines that run the pipeline: they must not block.
type Tracer interface {
	// Begin tells of an epoch that begins. It returns what takes the epoch's
	// trace when it has ended, well or not, or nil when the epoch is not to be
	// traced.
	Begin(at time.Time) (end func(*Trace))
}

// Trace is how the time of one epoch was spent. Whoever gets it owns it.
type Trace struct {
	Pipeline   string
	Key        Span   // what the epoch covers; To is empty if it was never sealed
	Manifest   string // what it was run with
	Generation int64
	Warm       bool // durable before; run again only to rebuild state
	Begin, End time.Time
	Records    int64 // raw records, blank lines included
	Bytes      int64 // raw
	// Posts are the rows that were decoded; Rejected are those of all steps.
	Posts, Detections, Rejected int64
	Durable                     bool  // committed; false when the run ended before
	GivenUp                     bool  // not durable: its partition went to another process
	Err                         error // the first error that ended it; nil when none did

	// Parts in no particular order, but that a part's parent is before it. At
	// most 1,000 of them; Left are those that found no room.
	Parts []TracePart
	Left  int
}

// TraceRows counts rows.
type TraceRows struct{ In, Out, Detections, Rejected int64 }

// PartKind says what a part of an epoch's time was spent on.
type PartKind uint8

// The kinds of parts.
const (
	PartRead       PartKind = iota // the source's Read of one chunk, as far as it is after the epoch's begin
	PartChunk                      // one chunk from when it was read until a worker had run it through the stateless steps
	PartDecode                     // decoding of a chunk; child of its PartChunk
	PartStep                       // a step: of a chunk, as child of its PartChunk, or of the whole epoch
	PartGather                     // from when the epoch was sealed until its last chunk was processed and joined
	PartIntent                     // recording what is about to be written
	PartSink                       // one attempt to write the epoch to a sink
	PartCheckpoint                 // recording that it is durable
	PartSource                     // telling the source so
)

// TracePart is a part of an epoch's time.
type TracePart struct {
	Kind       PartKind
	Name       string // of the step or sink; empty for other kinds
	Parent     int    // index in Trace.Parts; -1 for the epoch itself
	Begin, End time.Time
	// Busy is the time of cores, which for steps of a chunk is End less Begin:
	// a worker runs batches depth first, so its steps take turns, and their
	// parts are laid end to end in the order of the graph. For reading it is the
	// whole time of the call.
	Busy    time.Duration
	Records int64     // PartRead, PartChunk
	Bytes   int64     // PartRead, PartChunk
	Rows    TraceRows // PartDecode (In is 0), PartStep; of PartSink In
	Err     error
}
