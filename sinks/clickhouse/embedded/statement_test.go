package embedded

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestParseStatement(t *testing.T) {
	kinds := map[statementKind]string{kindSelect: "select", kindInsert: "insert", kindOther: "other"}
	for _, c := range []struct{ text, kind, sql, format, data string }{
		{"SELECT 1", "select", "SELECT 1", "", ""},
		{"  select 1 format CSV ;", "select", "  select 1 format CSV", "CSV", ""},
		{"SELECT 1 FORMAT CSV SETTINGS a = 1", "select", "SELECT 1 FORMAT CSV SETTINGS a = 1", "CSV", ""},
		{"SELECT format FROM t", "select", "SELECT format FROM t", "", ""},
		{"SELECT (SELECT 1 FORMAT x)", "select", "SELECT (SELECT 1 FORMAT x)", "", ""},
		{"SELECT 'a FORMAT b'", "select", "SELECT 'a FORMAT b'", "", ""},
		{"SELECT 1 -- FORMAT CSV", "select", "SELECT 1", "", ""},
		{"SELECT $x$ ; FORMAT CSV $x$", "select", "SELECT $x$ ; FORMAT CSV $x$", "", ""},
		{"WITH 1 AS a SELECT a", "select", "WITH 1 AS a SELECT a", "", ""},
		{"WITH 1 AS a INSERT INTO t SELECT a", "other", "WITH 1 AS a INSERT INTO t SELECT a", "", ""},
		{"SHOW TABLES FORMAT JSON", "other", "SHOW TABLES FORMAT JSON", "JSON", ""},
		{"INSERT INTO t FORMAT CSV\n1\n", "insert", "INSERT INTO t ", "CSV", "1\n"},
		{"INSERT INTO t FORMAT CSV \r\n\n1", "insert", "INSERT INTO t ", "CSV", "\n1"},
		{"INSERT INTO t FORMAT CSV 1", "insert", "INSERT INTO t ", "CSV", "1"},
		{"INSERT INTO t FORMAT CSV", "insert", "INSERT INTO t ", "CSV", ""},
		{"INSERT INTO format FORMAT CSV 1", "insert", "INSERT INTO format ", "CSV", "1"},
		{"INSERT INTO select FORMAT CSV 1", "insert", "INSERT INTO select ", "CSV", "1"},
		{"INSERT t VALUES (1)", "insert", "INSERT t ", "Values", " (1)"},
		{"INSERT INTO t (format, `values`) VALUES (1, 2)", "insert", "INSERT INTO t (format, `values`) ", "Values", " (1, 2)"},
		{"INSERT INTO t FORMAT Values (1)", "insert", "INSERT INTO t ", "Values", "(1)"},
		{"INSERT INTO db.`t\\`FORMAT` SETTINGS a='FORMAT x' FORMAT Native\n\x00\x01", "insert", "INSERT INTO db.`t\\`FORMAT` SETTINGS a='FORMAT x' ", "Native", "\x00\x01"},
		{"INSERT INTO FUNCTION file('VALUES') FORMAT CSV 1", "insert", "INSERT INTO FUNCTION file('VALUES') ", "CSV", "1"},
		{"INSERT INTO t SELECT 1 FORMAT CSV", "other", "INSERT INTO t SELECT 1 FORMAT CSV", "CSV", ""},
		{"INSERT INTO t (SELECT 1)", "other", "INSERT INTO t (SELECT 1)", "", ""},
		{"INSERT INTO t 'unterminated FORMAT CSV", "other", "INSERT INTO t 'unterminated FORMAT CSV", "", ""},
		{"", "other", "", "", ""},
		{"-- nothing", "other", "", "", ""},
	} {
		st, ok := parseStatement(c.text, true)
		if !ok {
			t.Errorf("%q is not resolved at its end", c.text)
			continue
		}
		data := ""
		if st.kind == kindInsert {
			data = c.text[st.dataAt:]
		}
		if kinds[st.kind] != c.kind || st.sql != c.sql || st.format != c.format || data != c.data {
			t.Errorf("%q: %s %q %q %q", c.text, kinds[st.kind], st.sql, st.format, data)
		}
	}
}

// TestReadStatementSplits reads the same requests in pieces of every size.
func TestReadStatementSplits(t *testing.T) {
	for _, c := range []struct{ query, body, data string }{
		{"", "INSERT INTO t FORMAT CSV\n1\n2\n", "1\n2\n"},
		{"INSERT INTO t FORMAT CSV", "1\n2\n", "1\n2\n"},
		{"INSERT INTO t FORMAT CSV ", "\n1\n", "\n1\n"},
		{"", "INSERT INTO t FORMAT Native\n\n\n\x00", "\n\n\x00"},
		{"", "INSERT INTO t FORMAT JSONEachRow{\"a\":1}", "{\"a\":1}"},
		{"", "/* c */INSERT INTO t SETTINGS a = 'FORMAT x' FORMAT CSV\r\n1", "1"},
	} {
		for name, body := range map[string]io.Reader{
			"whole": strings.NewReader(c.body),
			"bytes": iotest.OneByteReader(strings.NewReader(c.body)),
			"half":  iotest.HalfReader(strings.NewReader(c.body)),
			"eof":   iotest.DataErrReader(strings.NewReader(c.body)),
		} {
			text, st, rest, err := readStatement(c.query, body)
			if err != nil || st.kind != kindInsert {
				t.Errorf("%s, %q %q: kind %d, %v", name, c.query, c.body, st.kind, err)
				continue
			}
			left, err := io.ReadAll(rest)
			if got := text[st.dataAt:] + string(left); got != c.data || err != nil {
				t.Errorf("%s, %q %q: data %q, %v", name, c.query, c.body, got, err)
			}
		}
	}
	_, _, _, err := readStatement("", iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("SELECT 1"))))
	var e *exception
	if !errors.As(err, &e) || e.code != codeReceiveFailed {
		t.Errorf("error %v", err)
	}
}

func TestAnalystRefusal(t *testing.T) {
	for sql, refused := range map[string]bool{
		"SELECT 1": false, "SELECT file FROM t": false, "SELECT 'file(1)'": false, "SELECT count(file) FROM t": false,
		"DESCRIBE t": false, "DESCRIBE TABLE db.t": false, "DESCRIBE (SELECT 1)": false, "DESC t": false,
		"SELECT file('/etc/passwd')": true, "SELECT FiLe ('x')": true, "SELECT `file`('x')": true,
		"SELECT \"fi\\x6ce\"('x')": true, "SELECT file--\n('x')": true, "SELECT file\u00a0('x')": true,
		"DESCRIBE url('x')": true, "DESCRIBE TABLE anything('x')": true, "DESC anything('x')": true,
		"SELECT * FROM s3Cluster('x')": true, "SELECT 'open": true, "SELECT /* open": true,
		"SELECT \u201cfile\u201d('x')": true,
	} {
		if got := analystRefusal(sql); (got != "") != refused {
			t.Errorf("%q: %q", sql, got)
		}
	}
}

// FuzzStatement checks what the server relies on for any text: cuts lie within
// it, and a decision that is made for a prefix holds for the whole.
func FuzzStatement(f *testing.F) {
	for _, text := range []string{
		"SELECT 1 FORMAT CSV;", "INSERT INTO t (a) VALUES (1)", "INSERT INTO t FORMAT Native\n\x00", "INSERT INTO t SELECT 1",
		"/* ", "$a$ $a$", "`\\x6", "'\\", "\u201cfile\u201d(1)", "INSERT INTO t FORMAT CSV \r",
	} {
		f.Add(text, uint16(7))
	}
	f.Fuzz(func(t *testing.T, text string, cut uint16) {
		whole, ok := parseStatement(text, true)
		if !ok {
			t.Fatalf("%q is not resolved at its end", text)
		}
		if whole.dataAt > len(text) || len(whole.sql) > len(text) || !strings.HasPrefix(text, whole.sql) {
			t.Fatalf("%q: %+v", text, whole)
		}
		if at := int(cut); at < len(text) {
			if part, ok := parseStatement(text[:at], false); ok && part != whole {
				t.Fatalf("%q decided at %d: %+v, whole: %+v", text, at, part, whole)
			}
		}
		_ = analystRefusal(text)
	})
}
