package embedded

import "strings"

// statementKind is how a statement is run.
type statementKind uint8

const (
	kindSelect statementKind = iota // a SELECT: its result can be streamed
	kindInsert                      // an INSERT with data: the data is streamed in
	kindOther                       // anything else, INSERT ... SELECT included
)

// statement is a request's text, looked at just closely enough to run it. The
// engine parses it again, and has the last word.
type statement struct {
	kind statementKind
	// sql is the text for the engine. For kindInsert it ends before FORMAT or
	// VALUES; else it is the text without a trailing semicolon.
	sql string
	// format is the FORMAT clause's name: of the data for kindInsert, of the
	// output otherwise. "" if there is none.
	format string
	// dataAt is where the data of kindInsert starts in the text.
	dataAt int
	// clientFile is INTO OUTFILE or FROM INFILE: clauses that a client runs on
	// its own machine, which over HTTP would be the server's.
	clientFile bool
	// inlineValues is an INSERT ... VALUES.
	inlineValues bool
}

// parseStatement looks at text. atEOF says that no more of it will come;
// without it, ok is false while the text may be an INSERT whose data has not
// begun yet, or is not known not to be one.
func parseStatement(text string, atEOF bool) (st statement, ok bool) {
	sc := scanner{src: text}
	first, found := sc.next()
	if !found {
		return statement{kind: kindOther}, atEOF
	}
	if !first.is(text, "INSERT") {
		if !atEOF {
			return statement{}, false
		}
		return parseOther(text, first), true
	}
	st, resolved := parseInsert(text, &sc, atEOF)
	if resolved {
		return st, true
	}
	if !atEOF {
		return statement{}, false
	}
	return parseOther(text, first), true
}

// parseInsert finds where an INSERT's data starts. It reports false for an
// INSERT that brings none (INSERT ... SELECT) and for a text that ends before
// that is clear.
func parseInsert(text string, sc *scanner, atEOF bool) (statement, bool) {
	depth := 0
	var prev token
	afterInto := false // the table's name may be a keyword of the clauses below
	for i := 0; ; i++ {
		t, found := sc.next()
		if !found || t.kind == tokenIncomplete {
			return statement{}, false
		}
		complete := atEOF || t.end < len(text)
		switch {
		case t.punct(text, '('):
			depth++
		case t.punct(text, ')'):
			depth--
		case depth > 0 || t.kind != tokenWord || afterInto: // no clause
		case t.is(text, "SELECT"), t.is(text, "WITH"), t.is(text, "INFILE") && prev.is(text, "FROM"):
			return statement{}, false
		case prev.is(text, "FORMAT") && complete:
			at, ok := dataStart(text, t.end, atEOF)
			if !ok {
				return statement{}, false
			}
			return statement{
				kind: kindInsert, sql: text[:prev.start], format: text[t.start:t.end], dataAt: at,
			}, true
		case t.is(text, "VALUES") && complete:
			return statement{
				kind: kindInsert, sql: text[:t.start], format: "Values", dataAt: t.end, inlineValues: true,
			}, true
		}
		if prev = t; afterInto {
			prev = token{kind: tokenPunct}
		}
		afterInto = i == 0 && t.is(text, "INTO")
	}
}

// dataStart skips what may stand between the format's name and the data: blanks
// and one line break.
func dataStart(text string, at int, atEOF bool) (int, bool) {
	for at < len(text) && (text[at] == ' ' || text[at] == '\t' || text[at] == '\f') {
		at++
	}
	if at < len(text) && text[at] == '\r' {
		at++
	}
	if at == len(text) && !atEOF {
		return 0, false
	}
	if at < len(text) && text[at] == '\n' {
		at++
	}
	return at, true
}

// parseOther looks at a whole statement that is not an INSERT with data.
func parseOther(text string, first token) statement {
	st := statement{kind: kindOther}
	if first.is(text, "SELECT") || first.is(text, "WITH") || first.is(text, "FROM") || first.punct(text, '(') {
		st.kind = kindSelect
	}
	sc := scanner{src: text}
	var prev, prev2 token
	end, depth := 0, 0
	for {
		t, found := sc.next()
		if !found {
			break
		}
		switch {
		case t.punct(text, '('):
			depth++
		case t.punct(text, ')'):
			depth--
		case t.is(text, "OUTFILE") && prev.is(text, "INTO"), t.is(text, "INFILE") && prev.is(text, "FROM"):
			st.clientFile = true
		case t.is(text, "INSERT") && st.kind == kindSelect && depth == 0 && !prev.punct(text, '.'):
			st.kind = kindOther // WITH ... INSERT
		}
		// FORMAT name ends the statement, or SETTINGS follows.
		if prev2.is(text, "FORMAT") && (prev.kind == tokenWord) && depth == 0 &&
			(t.is(text, "SETTINGS") || t.punct(text, ';')) {
			st.format = text[prev.start:prev.end]
		}
		if !t.punct(text, ';') {
			end = t.end
		}
		prev2, prev = prev, t
	}
	if prev2.is(text, "FORMAT") && prev.kind == tokenWord && depth == 0 {
		st.format = text[prev.start:prev.end]
	}
	st.sql = text[:end]
	return st
}

// analystRefusal says why an analyst may not run sql, or "". The engine's
// read-only mode refuses nearly all of it too; this is for what that mode lets
// through: functions and DESCRIBE that read files and addresses from the
// server's side.
func analystRefusal(sql string) string {
	sc := scanner{src: sql}
	var prev token
	describe := false
	for i := 0; ; i++ {
		t, found := sc.next()
		if !found {
			return ""
		}
		if t.kind == tokenIncomplete {
			return "the text ends within a quote or comment"
		}
		if i == 0 {
			describe = t.is(sql, "DESCRIBE") || t.is(sql, "DESC")
		}
		name := prev.name(sql)
		if t.punct(sql, '(') && name != "" {
			if readsOutside(name) {
				return "the function " + name + " reads from outside the database"
			}
			if describe && !prev.is(sql, "TABLE") && !prev.is(sql, "DESCRIBE") && !prev.is(sql, "DESC") && i < 4 {
				return "DESCRIBE of a table function reads from outside the database"
			}
		}
		prev = t
	}
}

// readsOutside reports whether the (table) function reads files, processes or
// the network, or runs text as SQL. Table functions are refused by the read-only
// mode as well, but for DESCRIBE. The names are those of system.functions and
// system.table_functions of the pinned engine.
func readsOutside(name string) bool {
	name = strings.ToLower(name)
	switch name {
	case "file", "filecluster", "filesystem", "url", "urlcluster", "remote", "remotesecure", "cluster",
		"clusterallreplicas", "executable", "eval", "python", "input", "arrowstream", "arrowflight", "odbc", "jdbc",
		"mysql", "postgresql", "sqlite", "mongodb", "redis", "ytsaurus", "prometheusquery", "prometheusqueryrange",
		"catboostevaluate", "showcertificate", "aiclassify", "aiembed", "aiextract", "aigenerate", "aitranslate":
		return true
	}
	for _, prefix := range [...]string{
		"s3", "gcs", "hdfs", "azureblobstorage", "iceberg", "deltalake", "hudi", "paimon", "cosn", "oss",
	} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
