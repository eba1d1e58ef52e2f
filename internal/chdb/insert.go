package chdb

/*
#include <stdlib.h>
#include "binding.h"
*/
import "C"

import (
	"errors"
	"runtime"
	"unsafe"
)

// Insert is a running INSERT that data is appended to. It is not safe for
// concurrent use, and its connection takes no other statement meanwhile.
type Insert struct {
	conn *Conn
	c    C.chdb_insert_stream
}

// Insert starts an INSERT. sql is the statement without FORMAT and data
// (INSERT INTO t (a, b)), format the name of the format of the data.
func (c *Conn) Insert(sql, format string, params []Param) (*Insert, error) {
	if c.c == nil {
		return nil, errClosed
	}
	p := newParams(params)
	defer p.free()
	s := C.sluice_chdb_insert(c.lib.c, c.c, cstr(sql), C.size_t(len(sql)), cstr(format), C.size_t(len(format)), p.c)
	in := &Insert{conn: c, c: s}
	if err := in.err(); err != nil {
		in.Close()
		return nil, err
	}
	return in, nil
}

// Append copies data to the engine. It blocks while the engine is 16 pieces
// behind. An error is the engine's reason to give up; Close then.
func (s *Insert) Append(data []byte) error {
	if s.c == nil {
		return errClosed
	}
	if len(data) == 0 {
		return nil
	}
	rc := C.sluice_chdb_append(s.conn.lib.c, s.c, unsafe.Pointer(unsafe.SliceData(data)), C.size_t(len(data)))
	runtime.KeepAlive(data)
	if rc == 0 {
		return nil
	}
	if err := s.err(); err != nil {
		return err
	}
	// The engine's thread has ended without saying why in the handle; the
	// reason comes with the result.
	if _, err := s.Done(); err != nil {
		return err
	}
	return errors.New("chdb: the engine stopped reading before the end of the data")
}

// Done ends the data and commits. A nil error means that the rows are stored.
func (s *Insert) Done() (Stats, error) {
	if s.c == nil {
		return Stats{}, errClosed
	}
	r, err := s.conn.result(C.sluice_chdb_done(s.conn.lib.c, s.c))
	if err != nil {
		return Stats{}, err
	}
	defer r.Free()
	return r.Stats(), nil
}

// Close releases the insert. Without Done before it, the insert is cancelled:
// blocks that the engine has written already stay, the rest is dropped.
func (s *Insert) Close() {
	if s.c == nil {
		return
	}
	C.sluice_chdb_destroy_insert(s.conn.lib.c, s.c)
	s.c = nil
}

func (s *Insert) err() error {
	if text := C.sluice_chdb_insert_error(s.conn.lib.c, s.c); text != nil {
		return newError(C.GoString(text))
	}
	return nil
}

// cstr is the address of a string's bytes, for a call that copies them. An
// empty string gives a valid address too, since the engine builds a
// std::string from it.
func cstr(s string) *C.char {
	if s == "" {
		return &C.sluice_empty[0]
	}
	return (*C.char)(unsafe.Pointer(unsafe.StringData(s)))
}

// cParams are query parameters in C memory: Go memory that holds pointers must
// not cross into C.
type cParams struct {
	c    *C.sluice_params
	free func()
}

func newParams(params []Param) cParams {
	c := (*C.sluice_params)(C.calloc(1, C.size_t(unsafe.Sizeof(C.sluice_params{}))))
	if len(params) == 0 {
		return cParams{c: c, free: func() { C.free(unsafe.Pointer(c)) }}
	}
	n := C.size_t(len(params))
	word := C.size_t(unsafe.Sizeof(uintptr(0)))
	block := C.calloc(4*n, word)
	text := make([]*C.char, 0, 2*len(params))
	names := unsafe.Slice((**C.char)(block), len(params))
	values := unsafe.Slice((**C.char)(unsafe.Add(block, n*word)), len(params))
	nameLens := unsafe.Slice((*C.size_t)(unsafe.Add(block, 2*n*word)), len(params))
	valueLens := unsafe.Slice((*C.size_t)(unsafe.Add(block, 3*n*word)), len(params))
	for i, p := range params {
		names[i], values[i] = C.CString(p.Name), C.CString(p.Value)
		nameLens[i], valueLens[i] = C.size_t(len(p.Name)), C.size_t(len(p.Value))
		text = append(text, names[i], values[i])
	}
	c.names, c.values = &names[0], &values[0]
	c.name_lens, c.value_lens = &nameLens[0], &valueLens[0]
	c.count = n
	return cParams{c: c, free: func() {
		for _, t := range text {
			C.free(unsafe.Pointer(t))
		}
		C.free(block)
		C.free(unsafe.Pointer(c))
	}}
}
