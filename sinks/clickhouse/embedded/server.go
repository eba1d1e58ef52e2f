package embedded

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/sluicehq/sluice/internal/chdb"
)

// server is ClickHouse's HTTP interface over the engine.
type server struct {
	engine   *engine
	opts     *EngineOptions
	access   access
	writers  *slots
	readers  *slots
	sessions sessions
	tmpDir   string
	serial   atomic.Uint64
	run      string // tells this process's tags from any other text
	log      *slog.Logger
	// stopping ends when statements are to be cancelled.
	stopping context.Context
}

func newServer(stopping context.Context, e *engine, log *slog.Logger) *server {
	o := e.opts
	return &server{
		engine: e, opts: o, log: log, stopping: stopping, run: uuid.NewString(),
		access: access{
			user: o.User, password: o.Password, analystPassword: o.AnalystPassword, noAnalyst: o.NoAnalyst,
			hosts: o.AllowedHosts,
		},
		writers: newSlots(o.Writers, o.QueueWait, "writer"),
		readers: newSlots(o.Readers, o.QueueWait, "reader"),
		tmpDir:  filepath.Join(o.Path, "tmp"),
	}
}

// ServeHTTP implements http.Handler.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/ping", "/replicas_status": // they tell nothing: whoever asks may know
		w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
		_, _ = io.WriteString(w, "Ok.\n")
		return
	}
	if err := s.access.checkOrigin(r); err != nil {
		writeException(w, asException(err))
		return
	}
	if r.URL.Path != "/" && r.URL.Path != "/query" {
		http.Error(w, "There is no such page. Send queries to / with POST, or ask /ping whether the server is up.", http.StatusNotFound)
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodPost, http.MethodHead:
		s.serveQuery(w, r)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "The embedded engine takes GET and POST.", http.StatusMethodNotAllowed)
	}
}

// serveQuery runs the statement of a request.
func (s *server) serveQuery(w http.ResponseWriter, r *http.Request) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		writeException(w, exceptionf(codeBadArguments, "BAD_ARGUMENTS", "the URL's parameters: %v", err))
		return
	}
	who, err := s.access.authenticate(r, values)
	if err != nil {
		writeException(w, asException(err))
		return
	}
	req, err := parseRequest(r.Method, values, r.Header)
	if err != nil {
		writeException(w, asException(err))
		return
	}
	if req.query == "" && r.Method != http.MethodPost && r.ContentLength <= 0 {
		w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
		_, _ = io.WriteString(w, "Ok.\n") // what ClickHouse answers to a bare GET /
		return
	}
	if req.queryID == "" {
		req.queryID = uuid.NewString()
	}
	out := newOutput(w, r, req, s.tmpDir)
	if err := s.query(r, req, who, out); err != nil {
		out.fail(asException(err))
	}
}

// query reads, checks and runs one request.
func (s *server) query(r *http.Request, req *request, who role, out *output) error {
	if strings.HasPrefix(strings.ToLower(r.Header.Get("Content-Type")), "multipart/") {
		return exceptionf(codeNotImplemented, "NOT_IMPLEMENTED", "external tables (multipart bodies) are not supported by the embedded engine; use a temporary table in a session")
	}
	maxFrame := maxFrameWriter
	if who == roleAnalyst {
		maxFrame = maxFrameAnalyst
	}
	body, closeBody, err := decodeBody(r.Body, r.Header.Get("Content-Encoding"), req.decompress, maxFrame)
	if err != nil {
		return err
	}
	defer closeBody()
	text, st, rest, err := readStatement(req.query, body)
	if err != nil {
		return err
	}
	if strings.TrimSpace(text) == helloQuery && strings.EqualFold(req.format, "Native") {
		return s.hello(req, out)
	}
	if st.sql == "" {
		return exceptionf(codeSyntaxError, "SYNTAX_ERROR", "Empty query")
	}
	if st.clientFile {
		return exceptionf(codeNotImplemented, "NOT_IMPLEMENTED", "INTO OUTFILE and FROM INFILE are not allowed over HTTP: they would name files of the server")
	}
	req.boundResult(st, s.opts.MaxResult)
	pool := s.readers
	if who == roleWriter {
		pool = s.writers
	}
	if err := pool.take(r.Context()); err != nil {
		return err
	}
	defer pool.release()
	return s.withConn(req, who, func(c *chdb.Conn) error {
		if err := s.permit(c, req, who, st); err != nil {
			return err
		}
		if st.kind == kindInsert {
			return s.insert(r, c, req, st, text, rest, out)
		}
		return s.statement(r, c, req, st, out)
	})
}

// hello answers the driver's first query.
func (s *server) hello(req *request, out *output) error {
	block, err := helloBlock(s.engine.version, s.engine.zone, req.clientVersion)
	if err != nil {
		return err
	}
	out.setFormat("Native")
	if _, err := out.Write(block); err != nil {
		return err
	}
	return out.finish()
}

// drain waits until no statement runs, and closes the sessions.
func (s *server) drain() {
	s.sessions.close()
	for range cap(s.writers.free) {
		s.writers.free <- struct{}{}
	}
	for range cap(s.readers.free) {
		s.readers.free <- struct{}{}
	}
}
