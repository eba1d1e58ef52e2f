package pipeline

import "github.com/apache/arrow/go/v15/arrow"

// Stream names one of the fixed outputs of the graph. What a stream carries
// is fixed by a schema: see [PostsSchema], [DetectionsSchema] and
// [RejectedSchema].
type Stream uint8

// The streams, in the order in which sinks are given them.
const (
	Posts      Stream = iota // enriched posts; the schema grows step by step
	Detections               // one row a detection
	Rejected                 // rows that could not be processed, with the reason
	NumStreams int    = iota
)

var streamNames = [NumStreams]string{"posts", "detections", "rejected"}

// String returns the stream's name as config and metrics write it.
func (s Stream) String() string {
	if int(s) < len(streamNames) {
		return streamNames[s]
	}
	return "unknown"
}

// ParseStream is the inverse of String.
func ParseStream(name string) (Stream, bool) {
	for i, n := range streamNames {
		if n == name {
			return Stream(i), true
		}
	}
	return 0, false
}

// Batch is a run of rows of one stream, as an Arrow record.
//
// Ownership: a batch is read-only from the moment it is emitted, since several
// steps and sinks may look at the same memory. Whoever is handed a batch may
// read it until the call returns, and must Retain the record to keep it any
// longer (and Release it later). Whoever emits a batch gives its reference
// away.
type Batch struct {
	Record arrow.Record
	Stream Stream
}

// Rows returns the number of rows.
func (b Batch) Rows() int { return int(b.Record.NumRows()) }

// Position is a place in one partition of a source: the first thing that has
// not been read. Only the source that made it understands it; everybody else
// stores it and compares it for equality. It is short printable text. The
// empty position is the partition's beginning.
type Position string

// Span is a half-open range [From, To) of one partition of a source.
type Span struct {
	Partition string
	From, To  Position
}

// Chunk is a piece of raw input: whole records, one after another.
//
// Ownership: the bytes belong to the chunk's receiver until it calls Release,
// exactly once; after that the source may use the memory again.
type Chunk struct {
	Span Span

	// Term is that of [Resume], so that a chunk of a partition that was given
	// up and came back is not taken for one of now. 0 unless the source is
	// [Shared].
	Term uint64

	// Origin says where the bytes come from in words that a person can follow:
	// a file's path, "topic/partition". It lands in the source column of each
	// post and of each rejected row.
	Origin string

	// Offset is the position of Data[0] within Origin: a byte offset into the
	// decompressed file, or the offset of the first message. With Bounds nil a
	// record's own offset is Offset + its byte position in Data.
	Offset int64

	// Data holds the records. With Bounds nil they are lines that end in '\n'
	// (the last one may lack it).
	Data []byte

	// Bounds, when not nil, cuts Data into messages: record i is
	// Data[Bounds[i]:Bounds[i+1]], so it has one element more than there are
	// records, and its offset is Offset+i.
	Bounds []uint32

	// Records is the number of records, blank lines included: an upper bound
	// of the rows that the chunk decodes to.
	Records int

	// ReleaseFunc gives the memory back to the source; nil does nothing.
	ReleaseFunc func()
}

// Release gives the chunk's memory back to its source.
func (c *Chunk) Release() {
	if c.ReleaseFunc != nil {
		c.ReleaseFunc()
		c.ReleaseFunc = nil
	}
	c.Data, c.Bounds = nil, nil
}

// Key names an epoch's rows at one sink. Two writes of one key carry the same
// rows in the same order, so the sink may drop the second.
type Key struct {
	Pipeline string
	Sink     string
	Span     Span
}

// String returns the key as one line of text, for logs and for deduplication
// tokens: it is injective, because each part is quoted where it needs to be.
func (k Key) String() string {
	return quote(k.Pipeline) + "/" + quote(k.Sink) + "/" + quote(k.Span.Partition) + "/" +
		quote(string(k.Span.From)) + "-" + quote(string(k.Span.To))
}

// quote escapes the separators of Key.String.
func quote(s string) string {
	n := 0
	for i := range len(s) {
		if s[i] == '/' || s[i] == '-' || s[i] == '%' {
			n++
		}
	}
	if n == 0 {
		return s
	}
	const hex = "0123456789ABCDEF"
	out := make([]byte, 0, len(s)+2*n)
	for i := range len(s) {
		switch c := s[i]; c {
		case '/', '-', '%':
			out = append(out, '%', hex[c>>4], hex[c&15])
		default:
			out = append(out, c)
		}
	}
	return string(out)
}
