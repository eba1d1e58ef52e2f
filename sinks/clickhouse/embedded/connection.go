package embedded

import (
	"strings"

	"github.com/sluicehq/sluice/internal/chdb"
)

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
	c, release, err := s.sessions.take(sessionKey{who, req.session}, req.sessionCheck, req.sessionLife, open)
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
