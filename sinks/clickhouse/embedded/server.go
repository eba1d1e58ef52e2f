package embedded

import (
	"context"
	"errors"
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
	if err := s.access.checkOrigin(r); err != nil {
		writeException(w, asException(err))
		return
	}
	switch r.URL.Path {
	case "/ping", "/replicas_status":
		w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
		_, _ = io.WriteString(w, "Ok.\n")
		return
	case "/", "/query":
	default:
		w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "There is no handle "+r.URL.Path+"\nUse / or /ping for health checks. Or /replicas_status for more sophisticated health checks. Send queries to / with POST.\n")
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

// readStatement gathers the statement from the URL and the body. For an INSERT
// with data it reads no more of the body than is needed to see that; the rest,
// which the data goes on with, is left in rest.
func readStatement(query string, body io.Reader) (text string, st statement, rest io.Reader, err error) {
	in := body
	if query != "" {
		in = io.MultiReader(strings.NewReader(query+"\n"), body)
	}
	buf := make([]byte, 0, 4<<10)
	parsed := 0
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, make([]byte, len(buf))...)[:len(buf)]
		}
		n, err := in.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err != nil && !errors.Is(err, io.EOF) {
			return "", statement{}, nil, readFailed(err)
		}
		atEOF := err != nil
		if len(buf) > maxQueryBytes {
			// Without its data: an INSERT whose data has begun is recognized in far less.
			if st, ok := parseStatement(string(buf), false); ok {
				return string(buf), st, in, nil
			}
			return "", statement{}, nil, exceptionf(codeSyntaxError, "SYNTAX_ERROR",
				"the statement is longer than %d bytes; send data as the data of an INSERT", maxQueryBytes)
		}
		// Looked at again only when it has doubled: the work stays linear.
		if !atEOF && len(buf) < 2*parsed {
			continue
		}
		parsed = len(buf)
		text := string(buf)
		if st, ok := parseStatement(text, atEOF); ok {
			if st.inlineValues && atEOF {
				// Small enough to be a statement: expressions and parameters work.
				st = statement{kind: kindOther, sql: text, inlineValues: true}
			}
			return text, st, in, nil
		}
	}
}

// readFailed is the error of a body that could not be read to its end.
func readFailed(err error) error {
	var body *bodyError
	if errors.As(err, &body) {
		return body.e
	}
	return exceptionf(codeReceiveFailed, "NETWORK_ERROR", "the request's body ended early: %v", err)
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

// withConn runs f on a connection of the request's own, or of its session.
func (s *server) withConn(req *request, who role, f func(*chdb.Conn) error) error {
	open := func() (*chdb.Conn, error) { return s.engine.connect(who) }
	if req.session == "" {
		c, err := open()
		if err != nil {
			return err
		}
		defer c.Close()
		if err := s.prepare(c, req, who); err != nil {
			return err
		}
		return f(c)
	}
	if who == roleAnalyst {
		// What an analyst's session could keep is refused to analysts anyway.
		return exceptionf(codeReadonly, "READONLY", "session_id is for the writer: a reader's session has nothing to keep")
	}
	c, _, release, err := s.sessions.take(sessionKey{who, req.session}, req.sessionCheck, req.sessionLife, open)
	if err != nil {
		return err
	}
	broken := true
	defer func() { release(broken) }()
	saved, err := savedSettings(c, req.settings)
	if err == nil {
		err = s.prepare(c, req, who)
	}
	if err == nil {
		err = f(c)
	}
	restoreErr := applySettings(c, saved)
	broken = restoreErr != nil
	return err
}

// savedSettings are the session's own values of the settings that a request
// changes for itself alone.
func savedSettings(c *chdb.Conn, settings []setting) ([]setting, error) {
	saved := make([]setting, 0, len(settings))
	for _, set := range settings {
		res, err := c.Query("SELECT value FROM system.settings WHERE name = {name:String}", "RawBLOB",
			[]chdb.Param{{Name: "name", Value: set.name}})
		if err != nil {
			return nil, err
		}
		value := string(res.Bytes())
		known := res.Stats().ResultRows > 0
		res.Free()
		if known {
			saved = append(saved, setting{set.name, value})
		}
	}
	return saved, nil
}

func applySettings(c *chdb.Conn, settings []setting) error {
	if text := setStatement(settings); text != "" {
		return c.Exec(text)
	}
	return nil
}

// prepare sets a connection up as the request asks: database, settings, and for
// analysts the sandbox last.
func (s *server) prepare(c *chdb.Conn, req *request, who role) error {
	settings := req.settings
	if who == roleAnalyst {
		var err error
		if settings, err = analystSettings(settings, s.engine.analystSeconds()); err != nil {
			return err
		}
	}
	if req.database != "" && req.database != "default" {
		if err := c.Exec("USE " + quoteIdent(req.database)); err != nil {
			return err
		}
	}
	if err := applySettings(c, settings); err != nil {
		return err
	}
	if who == roleAnalyst {
		return sandbox(c)
	}
	return nil
}

// permit refuses what the user or the method may not run.
func (s *server) permit(c *chdb.Conn, req *request, who role, st statement) error {
	if who == roleWriter && !req.readonly {
		return s.onlyOne(c, st)
	}
	why := "Cannot execute query in readonly mode"
	if who == roleWriter {
		why += ". For queries over HTTP, method GET implies readonly. You should use method POST for modifying queries"
	}
	if st.kind == kindInsert || st.inlineValues {
		return exceptionf(codeReadonly, "READONLY", "%s", why)
	}
	class, count, err := c.Classify(st.sql)
	if err != nil {
		return err
	}
	// What does not parse is run, for the engine's message, which says where:
	// nothing of it takes effect, and the engine is in read-only mode.
	if count == 0 && who == roleAnalyst && class == chdb.Unknown || class == chdb.ReadOnly && count <= 1 {
		if who == roleAnalyst {
			if refusal := analystRefusal(st.sql); refusal != "" {
				return exceptionf(codeReadonly, "READONLY", "%s: %s", why, refusal)
			}
		}
		return nil
	}
	if count > 1 {
		return multiStatement()
	}
	return exceptionf(codeReadonly, "READONLY", "%s", why)
}

// onlyOne refuses more than one statement in a request, as ClickHouse does.
func (s *server) onlyOne(c *chdb.Conn, st statement) error {
	if st.kind == kindInsert || st.inlineValues {
		return nil // what follows is data
	}
	_, count, err := c.Classify(st.sql)
	if err == nil && count > 1 && !strings.Contains(strings.ToUpper(st.sql), "PARALLEL") {
		return multiStatement()
	}
	return err
}

func multiStatement() error {
	return exceptionf(codeSyntaxError, "SYNTAX_ERROR", "Syntax error (Multi-statements are not allowed): send one statement a request")
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
