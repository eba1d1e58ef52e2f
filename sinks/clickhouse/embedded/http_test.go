package embedded

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/klauspost/compress/zstd"
)

// call is one raw HTTP request, as curl would make it.
type call struct {
	method string
	params url.Values
	header map[string]string
	body   io.Reader
	reader bool // no credentials
}

type answer struct {
	status int
	header http.Header
	body   string
	err    error
}

func (e *Engine) call(t testing.TB, c call) answer {
	t.Helper()
	if c.method == "" {
		c.method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+e.Addr()+"/?"+c.params.Encode(), c.body)
	must(t, err)
	if !c.reader {
		req.SetBasicAuth(e.User(), e.Password())
	}
	req.Header.Set("Accept-Encoding", "identity")
	for name, value := range c.header {
		if name == "Host" {
			req.Host = value
		}
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(body), err}
}

// sql runs a statement and returns its output, which must be a success.
func (e *Engine) sql(t testing.TB, query string) string {
	t.Helper()
	a := e.call(t, call{body: strings.NewReader(query)})
	if a.status != http.StatusOK || a.err != nil {
		t.Fatalf("%s: %d %s %v", query, a.status, a.body, a.err)
	}
	return a.body
}

func q(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

func TestHTTPQueries(t *testing.T) {
	e := startTest(t, nil)
	e.sql(t, "CREATE DATABASE other")
	e.sql(t, "CREATE TABLE other.o (a UInt8) ENGINE = Memory")
	body := strings.NewReader
	for name, c := range map[string]struct {
		call
		want string
	}{
		"body":              {call{body: body("SELECT 1")}, "1\n"},
		"url, get":          {call{method: "GET", params: q("query", "SELECT 1")}, "1\n"},
		"url, post":         {call{params: q("query", "SELECT 1")}, "1\n"},
		"url and body":      {call{params: q("query", "SELECT"), body: body("3")}, "3\n"},
		"semicolon":         {call{body: body("SELECT 1 ; \n")}, "1\n"},
		"comment at end":    {call{body: body("SELECT 1 -- one")}, "1\n"},
		"comments":          {call{body: body("/* a */ SELECT /* ; */ 1 # b\n")}, "1\n"},
		"format clause":     {call{body: body("SELECT 1 AS a FORMAT JSONEachRow")}, "{\"a\":1}\n"},
		"format, settings":  {call{body: body("SELECT 1 AS a FORMAT CSVWithNames SETTINGS max_threads = 1;")}, "\"a\"\n1\n"},
		"default_format":    {call{params: q("default_format", "CSV"), body: body("SELECT 'a'")}, "\"a\"\n"},
		"format header":     {call{header: map[string]string{"X-ClickHouse-Format": "CSV"}, body: body("SELECT 'a'")}, "\"a\"\n"},
		"format as a name":  {call{body: body("SELECT format FROM (SELECT 1 AS format)")}, "1\n"},
		"format, function":  {call{body: body("SELECT format('{}-{}', 'a', 'b')")}, "a-b\n"},
		"parameters":        {call{params: q("param_a", "2", "param_s", "x'y"), body: body("SELECT {a:UInt8} + 1, {s:String}")}, "3\tx\\'y\n"},
		"settings":          {call{params: q("max_threads", "1", "log_comment", `a'b\c`), body: body("SELECT getSetting('max_threads'), getSetting('log_comment') FORMAT TSVRaw")}, "1\ta'b\\c\n"},
		"database":          {call{params: q("database", "other"), body: body("SELECT count() FROM o")}, "0\n"},
		"database header":   {call{header: map[string]string{"X-ClickHouse-Database": "other"}, body: body("SELECT currentDatabase()")}, "other\n"},
		"show":              {call{params: q("database", "other"), body: body("SHOW TABLES")}, "o\n"},
		"describe":          {call{body: body("DESCRIBE other.o FORMAT JSONCompactEachRow")}, "[\"a\", \"UInt8\", \"\", \"\", \"\", \"\", \"\"]\n"},
		"with":              {call{body: body("WITH 1 AS x SELECT x")}, "1\n"},
		"parentheses":       {call{body: body("(SELECT 1) UNION ALL (SELECT 1)")}, "1\n1\n"},
		"empty native":      {call{body: body("SELECT 1 WHERE 0 FORMAT Native")}, ""},
		"reader":            {call{reader: true, body: body("SELECT 1")}, "1\n"},
		"reader, get":       {call{reader: true, method: "GET", params: q("query", "SELECT currentUser()", "user", "analyst")}, "default\n"},
		"reader, settings":  {call{reader: true, params: q("max_block_size", "10", "readonly", "1", "max_execution_time", "5"), body: body("SELECT getSetting('max_execution_time')")}, "5\n"},
		"reader's ceiling":  {call{reader: true, params: q("max_execution_time", "5000"), body: body("SELECT getSetting('max_execution_time')")}, "60\n"},
		"reader, json":      {call{reader: true, body: body("SELECT 1 AS a FORMAT JSONCompactEachRow")}, "[1]\n"},
		"url credentials":   {call{reader: true, params: q("user", e.User(), "password", e.Password()), body: body("SELECT getSetting('readonly')")}, "0\n"},
		"header creds":      {call{reader: true, header: map[string]string{"X-ClickHouse-User": e.User(), "X-ClickHouse-Key": e.Password()}, body: body("SELECT getSetting('readonly')")}, "0\n"},
		"reader is limited": {call{reader: true, body: body("SELECT getSetting('readonly')")}, "1\n"},
		"nothing":           {call{method: "GET"}, "Ok.\n"},
		"utf-8":             {call{body: body("SELECT '\u0645\u0631\u062d\u0628\u0627 \u4f60\u597d'")}, "\u0645\u0631\u062d\u0628\u0627 \u4f60\u597d\n"},
		"wait":              {call{params: q("wait_end_of_query", "1", "buffer_size", "100"), body: body("SELECT sum(length(toString(number))) FROM numbers(100)")}, "190\n"},
	} {
		t.Run(name, func(t *testing.T) {
			a := e.call(t, c.call)
			if a.status != http.StatusOK || a.body != c.want || a.err != nil {
				t.Errorf("%d %q, want %q (%v)", a.status, a.body, c.want, a.err)
			}
		})
	}
}

func TestHTTPErrors(t *testing.T) {
	e := startTest(t, func(o *Options) { o.MaxResult = 1 << 20 })
	body := strings.NewReader
	outfile := filepath.Join(t.TempDir(), "out")
	for name, c := range map[string]struct {
		call
		status, code int
		want         string
	}{
		"syntax":            {call{body: body("SELEKT 1")}, 400, 62, "Syntax error"},
		"exit":              {call{body: body("exit")}, 400, 62, "Syntax error"},
		"bare expression":   {call{body: body("1 + 1")}, 400, 62, "Syntax error"},
		"unknown table":     {call{body: body("SELECT * FROM nosuch")}, 404, 60, "nosuch"},
		"unknown database":  {call{params: q("database", "no`such"), body: body("SELECT 1")}, 404, 81, "such"},
		"unknown setting":   {call{params: q("nosuch", "1"), body: body("SELECT 1")}, 404, 115, "nosuch"},
		"setting's name":    {call{params: q("a'b", "1"), body: body("SELECT 1")}, 404, 115, "a'b"},
		"setting's value":   {call{params: q("max_threads", "x"), body: body("SELECT 1")}, 400, 27, ""},
		"unknown format":    {call{params: q("default_format", "NoSuch"), body: body("SELECT 1")}, 404, 73, "NoSuch"},
		"format's name":     {call{params: q("default_format", "CSV SETTINGS a=1"), body: body("SELECT 1")}, 404, 73, "CSV SETTINGS"},
		"flag":              {call{params: q("compress", "yes"), body: body("SELECT 1")}, 400, 36, "compress"},
		"method":            {call{params: q("network_compression_method", "rot13"), body: body("SELECT 1")}, 500, 89, "rot13"},
		"password":          {call{header: map[string]string{"X-ClickHouse-User": "sluice", "X-ClickHouse-Key": "no"}, body: body("SELECT 1")}, 403, 516, "Authentication failed"},
		"no password":       {call{reader: true, params: q("user", "sluice"), body: body("SELECT 1")}, 403, 516, "Authentication failed"},
		"stranger":          {call{header: map[string]string{"X-ClickHouse-User": "root"}, body: body("SELECT 1")}, 403, 516, "root"},
		"two statements":    {call{body: body("SELECT 1; SELECT 2")}, 400, 62, "Multi-statements"},
		"get writes":        {call{method: "GET", params: q("query", "CREATE TABLE g (a UInt8) ENGINE = Memory")}, 500, 164, "method GET"},
		"get inserts":       {call{method: "GET", params: q("query", "INSERT INTO g FORMAT CSV")}, 500, 164, "readonly"},
		"outfile":           {call{body: body("SELECT 1 INTO OUTFILE '" + outfile + "'")}, 501, 48, "OUTFILE"},
		"infile":            {call{body: body("INSERT INTO g FROM INFILE '/etc/passwd' FORMAT CSV")}, 501, 48, "INFILE"},
		"parameter missing": {call{body: body("SELECT {a:UInt8}")}, 500, 456, "a"},
		"parameter's value": {call{params: q("param_a", "x"), body: body("SELECT {a:UInt8}")}, 500, 457, "a"},
		"insert, table":     {call{body: body("INSERT INTO nosuch FORMAT CSV 1\n")}, 404, 60, "nosuch"},
		"insert, format":    {call{body: body("INSERT INTO TABLE FUNCTION null('a UInt8') FORMAT NoSuch\n1\n")}, 404, 73, "NoSuch"},
		"insert, data":      {call{body: body("INSERT INTO TABLE FUNCTION null('a UInt8') FORMAT CSV\nx\n")}, 400, 117, ""},
		"external tables":   {call{params: q("ext_structure", "a UInt8"), body: body("SELECT 1")}, 501, 48, "external"},
		"multipart":         {call{header: map[string]string{"Content-Type": "multipart/form-data; boundary=x"}, body: body("--x--")}, 501, 48, "external"},
		"encoding":          {call{header: map[string]string{"Content-Encoding": "rot13"}, body: body("SELECT 1")}, 500, 89, "rot13"},
		"not gzip":          {call{header: map[string]string{"Content-Encoding": "gzip"}, body: body("SELECT 1")}, 500, 271, "gzip"},
		"not compressed":    {call{params: q("decompress", "1"), body: body(strings.Repeat("SELECT 1 ", 20))}, 500, 271, ""},
		"too long":          {call{body: body("SELECT '" + strings.Repeat("x", maxQueryBytes) + "'")}, 400, 62, "longer than"},
		"foreign host":      {call{header: map[string]string{"Host": "evil.example"}, body: body("SELECT 1")}, 403, 497, "evil.example"},
		"foreign origin":    {call{header: map[string]string{"Origin": "https://evil.example"}, body: body("SELECT 1")}, 403, 497, "evil.example"},
		"foreign page":      {call{method: "GET", params: q("query", "SELECT 1"), header: map[string]string{"Sec-Fetch-Site": "cross-site"}}, 403, 497, "cross-site"},
		"reader's setting":  {call{reader: true, params: q("max_memory_usage", "0"), body: body("SELECT 1")}, 500, 164, "max_memory_usage"},
		"reader's schema":   {call{reader: true, params: q("format_schema", "/etc/passwd"), body: body("SELECT 1")}, 500, 164, "format_schema"},
		"reader's session":  {call{reader: true, params: q("session_id", "a"), body: body("SELECT 1")}, 500, 164, "session_id"},
		"reader, two":       {call{reader: true, body: body("SELECT 1; DROP TABLE x")}, 400, 62, "Multi-statements"},
		"reader, memory":    {call{reader: true, body: body("SELECT groupArray(number) FROM numbers(10000000000)")}, 500, 241, ""},
		"session not found": {call{params: q("session_id", "a", "session_check", "1"), body: body("SELECT 1")}, 500, 372, "not found"},
		"result too large":  {call{body: body("SELECT number FROM numbers(10000000) FORMAT JSON")}, 500, 396, ""},
		"empty":             {call{body: body(" ")}, 400, 62, ""},
		"time":              {call{params: q("max_execution_time", "1"), body: body("SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1")}, 408, 159, "Timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			a := e.call(t, c.call)
			if a.status != c.status || a.header.Get("X-ClickHouse-Exception-Code") != strconv.Itoa(c.code) ||
				!strings.HasPrefix(a.body, fmt.Sprintf("Code: %d. DB::Exception: ", c.code)) || !strings.Contains(a.body, c.want) {
				t.Errorf("%d, code %s: %q; want %d, %d, %q", a.status, a.header.Get("X-ClickHouse-Exception-Code"), a.body, c.status, c.code, c.want)
			}
			if strings.Contains(a.body, e.Password()) {
				t.Errorf("the error tells the password: %s", a.body)
			}
		})
	}
	if _, err := os.Stat(outfile); err == nil {
		t.Error("INTO OUTFILE wrote a file")
	}
}

func TestHTTPHeadersAndHealth(t *testing.T) {
	e := startTest(t, nil)
	for _, path := range []string{"/ping", "/replicas_status"} {
		resp, err := http.Get("http://" + e.Addr() + path)
		must(t, err)
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 || string(body) != "Ok.\n" {
			t.Errorf("%s: %d %q", path, resp.StatusCode, body)
		}
	}
	a := e.call(t, call{params: q("query_id", "my-id"), body: strings.NewReader("SELECT number FROM numbers(1000) FORMAT JSONEachRow")})
	if a.header.Get("X-ClickHouse-Query-Id") != "my-id" || a.header.Get("X-ClickHouse-Server-Display-Name") == "" ||
		a.header.Get("X-ClickHouse-Format") != "JSONEachRow" || !strings.HasPrefix(a.header.Get("Content-Type"), "application/x-ndjson") {
		t.Errorf("headers %v", a.header)
	}
	var sum map[string]string
	must(t, json.Unmarshal([]byte(a.header.Get("X-ClickHouse-Summary")), &sum))
	if sum["read_rows"] != "1000" || sum["result_rows"] != "1000" {
		t.Errorf("summary %v", sum)
	}
	e.sql(t, "CREATE TABLE w (a UInt64) ENGINE = MergeTree ORDER BY a")
	a = e.call(t, call{body: strings.NewReader("INSERT INTO w FORMAT CSV\n1\n2\n3\n")})
	must(t, json.Unmarshal([]byte(a.header.Get("X-ClickHouse-Summary")), &sum))
	if sum["written_rows"] != "3" {
		t.Errorf("summary %v", sum)
	}
}

// TestHTTPFormats sends rows in and gets them out again in formats that are
// joined from pieces and in ones that are whole.
func TestHTTPFormats(t *testing.T) {
	e := startTest(t, nil)
	const rows = 200000
	want := strings.TrimSpace(e.sql(t, fmt.Sprintf("SELECT count(), sum(number), sum(cityHash64(toString(number))) FROM numbers(%d)", rows)))
	for _, format := range []string{
		"TSV", "TSVWithNames", "TSVWithNamesAndTypes", "TSVRaw", "CSV", "CSVWithNames", "CSVWithNamesAndTypes",
		"JSONEachRow", "JSONCompactEachRow", "JSONCompactEachRowWithNames", "JSONCompactEachRowWithNamesAndTypes",
		"RowBinary", "RowBinaryWithNames", "RowBinaryWithNamesAndTypes", "Native", "ArrowStream", "Arrow", "Parquet",
		"JSON", "JSONCompact", "JSONColumns", "Values", "MsgPack", "TSKV", "ORC",
	} {
		t.Run(format, func(t *testing.T) {
			a := e.call(t, call{body: strings.NewReader(fmt.Sprintf(
				"SELECT number AS a, toString(number) AS `b\"\n,x` FROM numbers(%d) FORMAT %s", rows, format))})
			if a.status != 200 || a.err != nil {
				t.Fatalf("%d %.300s %v", a.status, a.body, a.err)
			}
			table := "f_" + format
			e.sql(t, "CREATE TABLE "+table+" (a UInt64, `b\"\n,x` String) ENGINE = MergeTree ORDER BY a")
			in := e.call(t, call{params: q("query", "INSERT INTO "+table+" FORMAT "+format), body: strings.NewReader(a.body)})
			if in.status != 200 || in.body != "" {
				t.Fatalf("%d %.300s", in.status, in.body)
			}
			got := strings.TrimSpace(e.sql(t, "SELECT count(), sum(a), sum(cityHash64(`b\"\n,x`)) FROM "+table))
			if got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}

func TestHTTPFormatsAreDocuments(t *testing.T) {
	e := startTest(t, nil)
	const query = "SELECT number AS n, 'a' AS s FROM numbers(150000) FORMAT "
	records, err := csv.NewReader(strings.NewReader(e.sql(t, query+"CSVWithNames"))).ReadAll()
	must(t, err)
	if len(records) != 150001 || records[0][0] != "n" {
		t.Errorf("%d records of CSV", len(records))
	}
	var doc struct{ Rows int }
	must(t, json.Unmarshal([]byte(e.sql(t, query+"JSON")), &doc))
	if doc.Rows != 150000 {
		t.Errorf("%d rows of JSON", doc.Rows)
	}
	stream, err := ipc.NewReader(strings.NewReader(e.sql(t, query+"ArrowStream")))
	must(t, err)
	defer stream.Release()
	n := int64(0)
	for stream.Next() {
		n += stream.Record().NumRows()
	}
	if stream.Err() != nil || n != 150000 {
		t.Errorf("%d rows of Arrow, %v", n, stream.Err())
	}
}

func TestHTTPCompression(t *testing.T) {
	e := startTest(t, nil)
	const query = "SELECT number, 'aaaaaaaaaa' FROM numbers(300000)"
	want := e.sql(t, query)
	for _, method := range []string{"LZ4", "ZSTD", "NONE"} {
		a := e.call(t, call{params: q("compress", "1", "network_compression_method", method), body: strings.NewReader(query)})
		got, err := io.ReadAll(newFrameReader(strings.NewReader(a.body), maxFrameWriter))
		if err != nil || string(got) != want {
			t.Errorf("%s: %d of %d bytes, %v", method, len(got), len(want), err)
		}
	}
	for encoding, open := range map[string]func(io.Reader) (io.Reader, error){
		"gzip": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		"zstd": func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) },
	} {
		a := e.call(t, call{header: map[string]string{"Accept-Encoding": "br;q=1, " + encoding}, body: strings.NewReader(query)})
		r, err := open(strings.NewReader(a.body))
		must(t, err)
		got, err := io.ReadAll(r)
		if err != nil || string(got) != want || a.header.Get("Content-Encoding") != encoding || len(a.body) > len(want)/2 {
			t.Errorf("%s: %d of %d bytes, %v", encoding, len(got), len(want), err)
		}
	}
	// The other way round: statement and data compressed.
	e.sql(t, "CREATE TABLE z (a UInt64, s String) ENGINE = MergeTree ORDER BY a")
	text := "INSERT INTO z FORMAT TSV\n" + want
	var zipped bytes.Buffer
	zw := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(zw, text)
	must(t, zw.Close())
	var framed bytes.Buffer
	for _, method := range []compress.Method{compress.LZ4, compress.ZSTD, compress.None} {
		w := compress.NewWriter(1, method)
		part := text[:len(text)/3]
		if method == compress.None {
			part = text
		}
		must(t, w.Compress([]byte(part)))
		framed.Write(w.Data)
		text = text[len(part):]
	}
	for name, c := range map[string]call{
		"gzip":   {header: map[string]string{"Content-Encoding": "gzip"}, body: &zipped},
		"blocks": {params: q("decompress", "1"), body: &framed},
	} {
		e.sql(t, "TRUNCATE TABLE z")
		if a := e.call(t, c); a.status != 200 {
			t.Errorf("%s: %s", name, a.body)
		}
		if got := e.sql(t, "SELECT count(), sum(a) FROM z"); got != "300000\t44999850000\n" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestHTTPInserts(t *testing.T) {
	e := startTest(t, nil)
	e.sql(t, "CREATE TABLE i (a UInt64, b String DEFAULT 'd') ENGINE = MergeTree ORDER BY a")
	long := strings.Repeat("x", 100000)
	for name, c := range map[string]call{
		"body":            {body: strings.NewReader("INSERT INTO i (a) FORMAT CSV\n1\n2\n")},
		"same line":       {body: strings.NewReader("insert into i(a) format CSV 1\n2\n")},
		"url":             {params: q("query", "INSERT INTO i (a) FORMAT TSV"), body: strings.NewReader("1\n2\n")},
		"values":          {body: strings.NewReader("INSERT INTO i VALUES (1, 'x'), (1 + 1, concat('(', ';'))")},
		"values, url":     {params: q("query", "INSERT INTO i VALUES"), body: strings.NewReader("(1, 'x'), (2, 'y;--')")},
		"values, long":    {body: strings.NewReader("INSERT INTO i VALUES (1, '" + strings.Repeat(long, 20) + "'), (2, 'y')")},
		"values, params":  {params: q("param_v", "2"), body: strings.NewReader("INSERT INTO i (a) VALUES (1), ({v:UInt8})")},
		"settings clause": {body: strings.NewReader("INSERT INTO i (a) SETTINGS max_insert_threads = 1 FORMAT CSV\n1\n2\n")},
		"select":          {body: strings.NewReader("INSERT INTO i (a) SELECT number + 1 FROM numbers(2)")},
		"json":            {params: q("query", "INSERT INTO i FORMAT JSONEachRow", "input_format_skip_unknown_fields", "1"), body: strings.NewReader(`{"a":1,"z":1}` + "\n" + `{"a":2}`)},
		"chunked":         {params: q("query", "INSERT INTO i (a) FORMAT CSV"), body: io.MultiReader(strings.NewReader("1\n"), strings.NewReader("2\n"))},
		"comment":         {body: strings.NewReader("-- a FORMAT CSV\nINSERT /* VALUES */ INTO i (a) FORMAT CSV\n1\n2")},
	} {
		t.Run(name, func(t *testing.T) {
			e.sql(t, "TRUNCATE TABLE i")
			if a := e.call(t, c); a.status != 200 || a.body != "" {
				t.Fatalf("%d %s", a.status, a.body)
			}
			if got := e.sql(t, "SELECT a FROM i ORDER BY a"); got != "1\n2\n" {
				t.Errorf("rows %q", got)
			}
		})
	}
	// The rows of a body that breaks off are not committed.
	e.sql(t, "TRUNCATE TABLE i")
	pr, pw := io.Pipe()
	go func() {
		_, _ = io.WriteString(pw, "1\n2\n")
		time.Sleep(100 * time.Millisecond)
		pw.CloseWithError(errors.New("the client dies"))
	}()
	req, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+e.Addr()+"/?"+q("query", "INSERT INTO i (a) FORMAT CSV").Encode(), pr)
	must(t, err)
	req.SetBasicAuth(e.User(), e.Password())
	if _, err := http.DefaultClient.Do(req); err == nil {
		t.Error("a broken body was taken")
	}
	time.Sleep(200 * time.Millisecond)
	if got := e.sql(t, "SELECT count() FROM i"); got != "0\n" {
		t.Errorf("%s rows of a broken body", got)
	}
}

func TestHTTPSessions(t *testing.T) {
	e := startTest(t, nil)
	in := func(session, query string, more ...string) answer {
		return e.call(t, call{params: q(append([]string{"session_id", session}, more...)...), body: strings.NewReader(query)})
	}
	for _, query := range []string{
		"CREATE TEMPORARY TABLE tmp (a UInt8)", "INSERT INTO tmp VALUES (1), (2)", "SET max_threads = 1",
	} {
		if a := in("s", query); a.status != 200 {
			t.Fatal(a.body)
		}
	}
	if a := in("s", "SELECT sum(a), getSetting('max_threads') FROM tmp"); a.body != "3\t1\n" {
		t.Errorf("%q", a.body)
	}
	// A setting of the URL is for its request; the session's own comes back.
	if a := in("s", "SELECT getSetting('max_threads')", "max_threads", "2"); a.body != "2\n" {
		t.Errorf("%q", a.body)
	}
	if a := in("s", "SELECT getSetting('max_threads')"); a.body != "1\n" {
		t.Errorf("%q", a.body)
	}
	if a := in("other", "SELECT * FROM tmp"); a.status != 404 {
		t.Errorf("another session sees the table: %q", a.body)
	}
	if a := in("short", "CREATE TEMPORARY TABLE tmp (a UInt8)", "session_timeout", "1"); a.status != 200 {
		t.Fatal(a.body)
	}
	locked := make(chan answer)
	go func() { locked <- in("s", "SELECT sleep(2)") }()
	e.waitFor(t, "SELECT count() FROM system.processes WHERE query LIKE 'SELECT sleep(2)%'", "1\n")
	if a := in("s", "SELECT 1"); a.header.Get("X-ClickHouse-Exception-Code") != "373" {
		t.Errorf("a busy session: %d %q", a.status, a.body)
	}
	<-locked // the short session has long timed out by now
	if a := in("short", "SELECT 1", "session_check", "1"); a.header.Get("X-ClickHouse-Exception-Code") != "372" {
		t.Errorf("a session that timed out: %d %q", a.status, a.body)
	}
}
