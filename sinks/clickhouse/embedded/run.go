package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/sluicehq/sluice/internal/chdb"
)

// insertPiece is how much of an insert's body is handed to the engine at once.
// It queues 16 pieces at the most, so an insert of any length takes about 17
// pieces of memory besides the engine's own blocks.
const insertPiece = 512 << 10

// watch cancels the statement that ends with the returned tag when the client
// goes away or the server stops. done must be called when it has ended.
func (s *server) watch(ctx context.Context) (tag string, done func()) {
	tag = fmt.Sprintf("/* sluice %s %d */", s.run, s.serial.Add(1))
	ended := make(chan struct{})
	kill := func() { s.engine.kill(tag, ended) }
	killed := make(chan struct{}, 2)
	start := func() {
		kill()
		killed <- struct{}{}
	}
	stopClient := context.AfterFunc(ctx, start)
	stopServer := context.AfterFunc(s.stopping, start)
	return tag, func() {
		close(ended)
		for _, stop := range [...]func() bool{stopClient, stopServer} {
			if !stop() {
				<-killed
			}
		}
	}
}

// statement runs anything but an INSERT with data.
func (s *server) statement(r *http.Request, c *chdb.Conn, req *request, st statement, out *output) error {
	format := st.format
	if format == "" {
		format = req.format
	}
	if format == "" {
		format = "TabSeparated"
	}
	out.setFormat(format)
	if st.inlineValues {
		// Its end is data: no comment fits there, so it cannot be found to be killed.
		return s.whole(c, st.sql, format, req, out)
	}
	tag, done := s.watch(r.Context())
	defer done()
	sql := st.sql + "\n" + tag
	if st.kind == kindSelect {
		if join := streamJoiner(format); join != nil {
			err := s.stream(c, sql, format, join, req, out)
			var refused *streamRefused
			if !errors.As(err, &refused) {
				return err
			}
		}
	}
	return s.whole(c, sql, format, req, out)
}

// streamRefused is an engine that only runs the statement as a whole.
type streamRefused struct{ error }

// stream sends a result piece by piece.
func (s *server) stream(c *chdb.Conn, sql, format string, join *joiner, req *request, out *output) error {
	in, err := c.Stream(sql, format, req.params)
	if err != nil {
		var e *chdb.Error
		if errors.As(err, &e) && e.Code == codeBadArguments {
			// "Streaming query is not supported": whatever else it is will be said again.
			return &streamRefused{err}
		}
		return err
	}
	defer in.Close()
	first := true
	for {
		piece, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		data, ok := join.join(piece.Bytes(), first)
		out.stats.Add(piece.Stats())
		if ok {
			_, err = out.Write(data)
		} else {
			err = exceptionf(codeInternal, "UNKNOWN_EXCEPTION", "a piece of the result is not in the format %s", format)
		}
		piece.Free()
		if err != nil {
			return err
		}
		first = false
	}
	if !first && len(join.tail) > 0 {
		if _, err := out.Write(join.tail); err != nil {
			return err
		}
	}
	return out.finish()
}

// whole runs a statement and sends its result when it has all of it.
func (s *server) whole(c *chdb.Conn, sql, format string, req *request, out *output) error {
	res, err := c.Query(sql, format, req.params)
	if err != nil {
		return err
	}
	defer res.Free()
	out.stats = res.Stats()
	if _, err := out.Write(res.Bytes()); err != nil {
		return err
	}
	return out.finish()
}

// insert streams an INSERT's data into the engine.
func (s *server) insert(r *http.Request, c *chdb.Conn, req *request, st statement, text string, rest io.Reader, out *output) error {
	in, err := c.Insert(st.sql, st.format, req.params)
	if err != nil {
		return err
	}
	defer in.Close() // cancels it unless it is done
	if err := in.Append([]byte(text[st.dataAt:])); err != nil {
		return err
	}
	buf := make([]byte, insertPiece)
	for ended := false; !ended; {
		n, err := fill(rest, buf)
		switch {
		case errors.Is(err, io.EOF):
			ended = true
		case err != nil:
			return readFailed(err)
		case s.stopping.Err() != nil:
			return exceptionf(codeQueryCancelled, "QUERY_WAS_CANCELLED", "the server is stopping")
		}
		if err := in.Append(buf[:n]); err != nil {
			return err
		}
	}
	stats, err := in.Done()
	if err != nil {
		return err
	}
	out.stats = stats
	return out.finish()
}

// fill reads until buf is full or r ends. Unlike io.ReadFull it tells a body
// that ended (io.EOF) from one that broke off (io.ErrUnexpectedEOF): rows of a
// broken body must not be committed.
func fill(r io.Reader, buf []byte) (int, error) {
	n := 0
	for n < len(buf) {
		k, err := r.Read(buf[n:])
		n += k
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
