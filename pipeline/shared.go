package pipeline

import "context"

// Shared is a Source whose partitions are divided among several processes and
// come and go while it is read, as those of a consumer group do. The process
// that a partition goes to must build the same epochs as the one that had it
// before, so what the engine's checkpoint is for other sources is kept where
// every process finds it: see Record and Offer.
//
// The engine calls Join before Open, which then is given no positions, and
// neither Commit nor Keep.
type Shared interface {
	Source
	// Join gives the source whom to tell of partitions that come and go.
	Join(o Owner)
	// Record replaces what is known of a partition; it is durable when Record
	// returns nil. A process that the partition was taken from must not succeed.
	// Record is called for a partition between Gain and the end of Lose only,
	// from any goroutine, but by one at a time for a partition.
	Record(ctx context.Context, partition string, p Recorded) error
	// Offer makes contents available to all processes under their hash. It may
	// be called again for the same ones; contents that were not offered for
	// several days may be forgotten.
	Offer(ctx context.Context, hash string, contents []byte) error
	// Fetch returns contents that any process offered. An error that is
	// fs.ErrNotExist says that nobody did.
	Fetch(ctx context.Context, hash string) ([]byte, error)
}

// SharedPlan is a SourcePlan whose sources are Shared when Shared says so.
type SharedPlan interface {
	SourcePlan
	Shared() bool
}

// Recorded is what is recorded of a partition: how far it has come.
type Recorded struct {
	Committed Position  // everything before is durable in every sink; empty when nothing was begun
	Pending   []Pending // epochs that may be half written, in order; the first begins at Committed
	Replay    Replay    // from where the state of steps at Committed can be built; zero for the beginning
}

// Replay is a place from which the state of steps can be built again by running
// the rows from there on: those before it are too old to matter (see [Windowed]).
type Replay struct {
	From Position `json:"from"` // empty for the beginning
	// Latest is the latest event time of the rows before From that steps with
	// state were given, in ms since 1970; 0 when there are none.
	Latest int64 `json:"latest"`
	// Reach is how far event time has come since, at the least, in ms. Steps whose
	// windows, with the lateness of the watermark, go back further can not be
	// built from here.
	Reach int64 `json:"reach"`
}

// Pending is an epoch that was recorded and is not known to be durable.
type Pending struct {
	To       Position
	Manifest string // hash of what it is computed with
}

// Owner is the engine, as a Shared source sees it.
type Owner interface {
	// Gain tells that partitions are this process's from now on, with what was
	// recorded of each; one whose Committed is empty begins where the source
	// says. The answer tells where each is to be read from, and its term, which
	// its chunks must carry. No chunk of them comes before. An error is final.
	Gain(ctx context.Context, partitions map[string]Recorded) (map[string]Resume, error)
	// Lose tells that partitions are to be given up. It returns when what was
	// read of them is durable and recorded, or, when ctx ends before, is fenced:
	// after Lose nothing of them is recorded any more, and the process that gets
	// them finishes what was begun. The source makes no chunks of them meanwhile;
	// those that are on their way may be thrown away.
	Lose(ctx context.Context, partitions []string)
}

// Cautious is implemented by SinkPlans that may do something else than expected
// when several processes run the pipeline. Caution is what is then to be said to
// the user, before anything is run; "" for nothing.
type Cautious interface {
	Caution() string
}

// Claimer is implemented by sinks that know by themselves which epochs of a
// partition they have, and that let one process at a time write them.
//
// The engine calls Claim after a Shared source has given it a partition, before
// it records the intent of the first epoch that it writes, and, if that was
// recorded before by another process, records it once more behind the call. So
// when the first Write of the partition comes, this process was its owner at
// some time after Claim, and whoever becomes the owner later claims it later.
// Claim may be called while another partition is written. Its error is as that
// of Write.
type Claimer interface {
	Claim(ctx context.Context, partition string) error
}
