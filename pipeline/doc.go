// Package pipeline holds the contracts that every part of Sluice meets: what a
// batch is, what a source, an operator and a sink promise, how a component is
// named, configured and planned, and which errors mean what. It imports the
// standard library and Apache Arrow only, and does nothing by itself.
//
// # Five-minute tour
//
// A [Source] yields [Chunk]s: raw bytes with positions. A [Decoder] turns a
// chunk into [Batch]es: immutable Arrow records of the posts stream. Batches go
// through a graph of [Operator]s that the config names step by step; every
// operator sees one batch at a time and emits batches on [Stream]s. What
// leaves the graph is gathered into an epoch, a bounded [Span] of one source
// partition, and every [Sink] writes that epoch under a [Key].
//
//	Source ──Chunk──▶ Decoder ──posts──▶ Operator … Operator ──▶ epoch ──Key──▶ Sink
//	   ▲                  └─rejected──────────┴─detections──────▶   │
//	   └───────────────────── Commit(position) ◀────────────────────┘
//
// # Plan and run
//
// Each component has a plan half and a run half. A [Factory] is the plan half:
// it has a name, a typed config with defaults, and a Plan function that is
// given the Arrow schema which reaches the step. It resolves column names to
// positions, reads the files that the config names through [Files] and returns
// an immutable [Plan] with the schema that leaves. The run half is what
// Plan.New returns: one [Operator] for each worker, with scratch memory of its
// own, which looks nothing up by name.
//
// # Guarantees
//
//  1. Rows of a posts batch are in source order. Rows in = rows out + rows
//     rejected, for every step and the whole graph.
//  2. Operators are pure functions of their input and their state: no clock,
//     no randomness, no I/O, no goroutines. The rows they emit do not depend
//     on how their input was cut into batches.
//  3. An epoch's intent is durable before any of it is written; writing one
//     Key twice changes nothing; a position is committed to the source only
//     when every sink has said that the epochs before it are durable.
//
// So the same input gives the same rows on any number of workers and after
// any crash.
package pipeline
