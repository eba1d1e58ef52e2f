package decode

import (
	"bytes"
	"context"

	"github.com/sluicehq/sluice/internal/jsonscan"
	"github.com/sluicehq/sluice/pipeline"
)

const (
	// maxRows is how many rows a batch holds at most: few enough for its text
	// to stay in the second-level cache beside the operators' tables.
	maxRows = 1024
	// maxBatchBytes is how much input a batch takes at most, so that a
	// column's offsets fit 31 bits: text never grows by decoding.
	maxBatchBytes = 64 << 20
)

// decoder is the run half; it serves one worker.
type decoder struct {
	row      row
	posts    posts
	rejected rejected
	taken    int // bytes of input in posts
}

func newDecoder(p *plan) *decoder {
	d := &decoder{}
	d.row.init(p)
	d.posts.init(p)
	d.rejected.init(p.mem)
	return d
}

// Decode emits the chunk's posts and its rejected records.
func (d *decoder) Decode(ctx context.Context, c *pipeline.Chunk, emit pipeline.Emit) error {
	err := d.decode(ctx, c, emit)
	if err != nil { // what is half built belongs to nobody
		d.posts.drop()
		d.rejected.drop()
		d.taken = 0
	}
	return err
}

func (d *decoder) decode(ctx context.Context, c *pipeline.Chunk, emit pipeline.Emit) error {
	if err := d.records(ctx, c, emit); err != nil {
		return err
	}
	return d.flush(c, emit, true)
}

// records decodes each record of the chunk.
func (d *decoder) records(ctx context.Context, c *pipeline.Chunk, emit pipeline.Emit) error {
	if c.Bounds != nil {
		for i := range len(c.Bounds) - 1 {
			rec := c.Data[c.Bounds[i]:c.Bounds[i+1]]
			if err := d.record(ctx, c, rec, c.Offset+int64(i), true, emit); err != nil {
				return err
			}
		}
		return nil
	}
	for start := 0; start < len(c.Data); {
		end, ended := len(c.Data), false
		if n := bytes.IndexByte(c.Data[start:], '\n'); n >= 0 {
			end, ended = start+n, true
		}
		if err := d.record(ctx, c, c.Data[start:end], c.Offset+int64(start), ended, emit); err != nil {
			return err
		}
		start = end + 1
	}
	return nil
}

// record decodes one record. Ended says that its end was seen, and not just
// the end of the input.
func (d *decoder) record(ctx context.Context, c *pipeline.Chunk, rec []byte, offset int64, ended bool, emit pipeline.Emit) error {
	if len(rec) == 0 || rec[0] <= ' ' && jsonscan.Space(rec, 0) == len(rec) {
		return nil // a blank line is no record
	}
	if reason := d.row.decode(rec, ended); reason == "" {
		d.posts.append(&d.row, offset)
		d.taken += len(rec)
	} else {
		d.rejected.append(c.Origin, offset, reason, d.row.detail(), rec)
	}
	if d.posts.rows < maxRows && d.taken < maxBatchBytes && d.rejected.rows < maxRows && d.rejected.bytes < maxBatchBytes {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return d.flush(c, emit, false)
}

// flush emits what is full, or all that is there.
func (d *decoder) flush(c *pipeline.Chunk, emit pipeline.Emit, all bool) error {
	if d.posts.rows > 0 && (all || d.posts.rows == maxRows || d.taken >= maxBatchBytes) {
		d.taken = 0
		rec := d.posts.record(c.Origin)
		if err := emit(pipeline.Batch{Record: rec, Stream: pipeline.Posts}); err != nil {
			return err
		}
	}
	if d.rejected.rows > 0 && (all || d.rejected.rows == maxRows || d.rejected.bytes >= maxBatchBytes) {
		return emit(pipeline.Batch{Record: d.rejected.record(), Stream: pipeline.Rejected})
	}
	return nil
}
