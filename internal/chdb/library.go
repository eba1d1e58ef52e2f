// Package chdb is a thin binding of libchdb, the ClickHouse engine as a shared
// library: connections, queries with parameters, streamed results, streamed
// inserts, statement classification, and an orderly end.
//
// The library is opened at run time (dlopen); building needs a C compiler but
// neither the library nor its headers. It is large, takes over signal handlers,
// and aborts the process when it fails hard, so it belongs in a process of its
// own: see package sinks/clickhouse/embedded.
package chdb

/*
#cgo CFLAGS: -std=gnu11 -O2 -Wall
#cgo linux LDFLAGS: -ldl
#include <stdlib.h>
#include "binding.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"
)

// Library is an opened libchdb. There is one engine in a process: load it once
// and share it. It is safe for concurrent use.
type Library struct {
	c    *C.sluice_chdb
	path string
}

// Load opens the library at path (see [Find]) and switches its signal handlers
// off, keeping those of the Go runtime. It cannot be unloaded again.
func Load(path string) (*Library, error) {
	cPath := C.CString(path)
	defer C.free(unsafe.Pointer(cPath))
	var cErr *C.char
	c := C.sluice_chdb_load(cPath, &cErr)
	if c == nil {
		defer C.free(unsafe.Pointer(cErr))
		return nil, fmt.Errorf("chdb: cannot load %s: %s; bring the pinned build with deploy/chdb/fetch.sh, or name another in CHDB_LIB_PATH",
			path, C.GoString(cErr))
	}
	return &Library{c: c, path: path}, nil
}

// Version is the version of the package that the library came from, such as
// 26.7.3. The engine's own version() may differ in the last places.
func (l *Library) Version() string { return C.GoString(C.sluice_chdb_version(l.c)) }

// Path is the file that the library was loaded from.
func (l *Library) Path() string { return l.path }

// Shutdown joins the engine's threads. All connections must be closed before.
// No connection can be opened afterwards in this process. The engine of 26.7
// refuses it once a MergeTree table was opened, also with every connection
// closed; ending the process is safe all the same, since closing the last
// connection has stopped the merges and released the path.
func (l *Library) Shutdown() error {
	if C.sluice_chdb_shutdown(l.c) != 0 {
		return errors.New("chdb: the engine did not stop: a connection is still open, or a thread of it hangs")
	}
	return nil
}

// Connect opens a connection. args are of the form --name=value: --path and
// server settings count for the first connection, which starts the engine; a
// query-level setting (--readonly=1) counts for this connection.
//
// The engine reports why it failed only in its log, so the error here is a
// general one; check the path and its lock before.
func (l *Library) Connect(args ...string) (*Conn, error) {
	argv := make([]*C.char, 0, len(args)+1)
	for _, a := range append([]string{"sluice"}, args...) {
		argv = append(argv, C.CString(a))
	}
	defer func() {
		for _, a := range argv {
			C.free(unsafe.Pointer(a))
		}
	}()
	// The array of C strings is handed over in C memory: the engine may keep
	// argv beyond the call.
	size := C.size_t(len(argv)) * C.size_t(unsafe.Sizeof(argv[0]))
	cArgv := C.malloc(size)
	defer C.free(cArgv)
	copy(unsafe.Slice((**C.char)(cArgv), len(argv)), argv)

	c := C.sluice_chdb_connect(l.c, C.int(len(argv)), (**C.char)(cArgv))
	if c == nil {
		return nil, fmt.Errorf("chdb: cannot open a connection with %q; the engine's log says why", args)
	}
	return &Conn{lib: l, c: c}, nil
}
