package chdb

/*
#include <stdlib.h>
#include "binding.h"
*/
import "C"

import (
	"errors"
	"io"
	"runtime"
	"unsafe"
)

// errClosed is returned by calls on a closed connection, stream or insert.
var errClosed = errors.New("chdb: the connection is closed")

// Conn is a connection: a session with its own settings, current database and
// temporary tables. It runs one statement at a time and is not safe for
// concurrent use; several connections run in parallel.
type Conn struct {
	lib *Library
	c   *C.chdb_connection
}

// Param is a query parameter: {name:Type} in the text takes value, which is
// written as in a TSV field.
type Param struct{ Name, Value string }

// Class says what a statement does to what outlives it.
type Class uint32

// The classes, from the least to the most restricted.
const (
	ReadOnly       Class = iota // SELECT, SHOW, DESCRIBE, EXPLAIN, EXISTS, CHECK
	Mutating                    // INSERT, CREATE, ALTER, DROP, ...
	MutatingGlobal              // functions, users, named collections, system tables
	Control                     // USE, SET, SYSTEM, BACKUP, KILL, INTO OUTFILE, ...
	Unknown                     // does not parse, or is not known
)

// Close closes the connection. The one closed last stops the engine's
// background work on the path and releases its lock.
func (c *Conn) Close() {
	if c.c == nil {
		return
	}
	C.sluice_chdb_close(c.lib.c, c.c)
	c.c = nil
}

// Classify parses sql without running it and returns its class and the number
// of statements in it (0 if it does not parse).
func (c *Conn) Classify(sql string) (Class, int, error) {
	if c.c == nil {
		return Unknown, 0, errClosed
	}
	var out C.sluice_class
	if C.sluice_chdb_classify(c.lib.c, c.c, cstr(sql), C.size_t(len(sql)), &out) != 0 {
		return Unknown, 0, errors.New("chdb: the engine could not classify the statement")
	}
	runtime.KeepAlive(sql)
	return Class(out.query_class), int(out.statement_count), nil
}

// Query runs sql and returns the whole result in the given output format,
// which a FORMAT clause in sql overrides.
func (c *Conn) Query(sql, format string, params []Param) (*Result, error) {
	if c.c == nil {
		return nil, errClosed
	}
	p := newParams(params)
	defer p.free()
	return c.result(C.sluice_chdb_query(c.lib.c, c.c, cstr(sql), C.size_t(len(sql)),
		cstr(format), C.size_t(len(format)), p.c))
}

// Exec runs sql and drops its result.
func (c *Conn) Exec(sql string) error {
	r, err := c.Query(sql, "Null", nil)
	if err != nil {
		return err
	}
	r.Free()
	return nil
}

// result takes ownership of r.
func (c *Conn) result(r *C.chdb_result) (*Result, error) {
	out := &Result{lib: c.lib, c: r}
	C.sluice_chdb_stats(c.lib.c, r, &out.stats)
	if out.stats.error != nil {
		err := newError(C.GoString(out.stats.error))
		out.Free()
		return nil, err
	}
	return out, nil
}

// Stream starts sql and returns its result piece by piece. The connection
// takes no other statement until the stream is closed.
func (c *Conn) Stream(sql, format string, params []Param) (*Stream, error) {
	if c.c == nil {
		return nil, errClosed
	}
	p := newParams(params)
	defer p.free()
	r := C.sluice_chdb_stream(c.lib.c, c.c, cstr(sql), C.size_t(len(sql)), cstr(format), C.size_t(len(format)), p.c)
	var st C.sluice_stats
	C.sluice_chdb_stats(c.lib.c, r, &st)
	if st.error != nil {
		err := newError(C.GoString(st.error))
		C.sluice_chdb_destroy(c.lib.c, r)
		return nil, err
	}
	return &Stream{conn: c, c: r}, nil
}

// Stream is a running query.
type Stream struct {
	conn  *Conn
	c     *C.chdb_result
	ended bool
}

// Next returns the next piece of the result, to be freed by the caller, or
// io.EOF after the last.
func (s *Stream) Next() (*Result, error) {
	if s.ended || s.c == nil {
		return nil, io.EOF
	}
	r, err := s.conn.result(C.sluice_chdb_fetch(s.conn.lib.c, s.conn.c, s.c))
	if err != nil {
		s.ended = true
		return nil, err
	}
	if r.Len() == 0 {
		s.ended = true
		r.Free()
		return nil, io.EOF
	}
	return r, nil
}

// Close ends the stream, cancelling the query if it has not ended.
func (s *Stream) Close() {
	if s.c == nil {
		return
	}
	if !s.ended {
		C.sluice_chdb_cancel(s.conn.lib.c, s.conn.c, s.c)
	}
	C.sluice_chdb_destroy(s.conn.lib.c, s.c)
	s.c = nil
}

// Result is a piece of a result, or the whole. Its bytes are owned by the
// engine until Free.
type Result struct {
	lib   *Library
	c     *C.chdb_result
	stats C.sluice_stats
}

// Bytes is the formatted output, valid until Free.
func (r *Result) Bytes() []byte {
	if r.stats.buffer == nil || r.stats.length == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(r.stats.buffer)), int(r.stats.length))
}

// Len is the number of bytes of the output.
func (r *Result) Len() int { return int(r.stats.length) }

// Stats are the counters of the result.
func (r *Result) Stats() Stats {
	return Stats{
		ResultRows: uint64(r.stats.rows), ResultBytes: uint64(r.stats.bytes),
		ReadRows: uint64(r.stats.storage_rows), ReadBytes: uint64(r.stats.storage_bytes),
		WrittenRows: uint64(r.stats.rows_written), WrittenBytes: uint64(r.stats.bytes_written),
	}
}

// Free gives the result back to the engine. Bytes is invalid afterwards.
func (r *Result) Free() {
	if r == nil || r.c == nil {
		return
	}
	C.sluice_chdb_destroy(r.lib.c, r.c)
	r.c, r.stats = nil, C.sluice_stats{}
}

// Stats are the engine's counters for a statement or a piece of its result.
type Stats struct {
	ResultRows, ResultBytes uint64
	ReadRows, ReadBytes     uint64
	// WrittenRows counts what views wrote too, and rows that deduplication
	// dropped: it is no acknowledgement count.
	WrittenRows, WrittenBytes uint64
}

// Add adds o to s.
func (s *Stats) Add(o Stats) {
	s.ResultRows += o.ResultRows
	s.ResultBytes += o.ResultBytes
	s.ReadRows += o.ReadRows
	s.ReadBytes += o.ReadBytes
	s.WrittenRows += o.WrittenRows
	s.WrittenBytes += o.WrittenBytes
}
