package embedded

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/chdb"
)

// Bounds of a request, beyond those of net/http (1 MiB of headers and URL).
const (
	maxQueryBytes      = 1 << 20 // of statement text; ClickHouse's max_query_size is 256 KiB by default
	maxSettings        = 256
	maxParams          = 1024
	maxNameBytes       = 128
	maxSessionID       = 256
	defaultSessionLife = 60 * time.Second
	maxSessionLife     = time.Hour
	defaultBuffer      = 256 << 10 // result bytes held back for a proper error status
	maxBuffer          = 16 << 20
)

// setting is a setting of the URL, to be applied to the request's connection.
type setting struct{ name, value string }

// request is a client's request, parsed and bounded, before anything is run.
type request struct {
	query         string // of the URL; the body follows it
	database      string
	format        string // default output format
	queryID       string
	clientVersion int // client_protocol_version
	params        []chdb.Param
	settings      []setting

	compress, decompress bool
	method               string // network_compression_method
	zstdLevel            int
	httpCompression      bool // Accept-Encoding is heeded

	waitEnd    bool
	bufferSize int

	session      string
	sessionLife  time.Duration
	sessionCheck bool
	readonly     bool // the method is GET or HEAD
}

// setOwn takes the URL parameters that are not settings.
func (r *request) setOwn(name, value string) (known bool, err error) {
	switch name {
	case "query":
		r.query = value
	case "database":
		r.database = value
	case "default_format":
		r.format = value
	case "query_id":
		r.queryID = value
	case "session_id":
		r.session = value
	case "session_timeout":
		var seconds int
		err = parseInt(name, value, 1, int(maxSessionLife/time.Second), &seconds)
		r.sessionLife = time.Duration(seconds) * time.Second
	case "session_check":
		err = parseFlag(name, value, &r.sessionCheck)
	case "compress":
		err = parseFlag(name, value, &r.compress)
	case "decompress":
		err = parseFlag(name, value, &r.decompress)
	case "wait_end_of_query":
		err = parseFlag(name, value, &r.waitEnd)
	case "enable_http_compression":
		err = parseFlag(name, value, &r.httpCompression)
	case "buffer_size":
		err = parseInt(name, value, 0, 1<<40, &r.bufferSize)
		r.bufferSize = min(r.bufferSize, maxBuffer)
	case "network_compression_method":
		err = r.setMethod(value)
	case "network_zstd_compression_level":
		err = parseInt(name, value, 1, 22, &r.zstdLevel)
	case "client_protocol_version":
		err = parseInt(name, value, 0, 1<<30, &r.clientVersion)
	case "user", "password": // read by authenticate
	case "quota_key", "close_session", "stacktrace", "add_http_cors_header", "send_progress_in_http_headers",
		"http_headers_progress_interval_ms", "http_zlib_compression_level", "http_write_exception_in_output_format",
		"cancel_http_readonly_queries_on_client_close": // without meaning here
	case "async_insert", "wait_for_async_insert":
		// The engine has no queue for them: every insert is synchronous, which
		// promises more than was asked.
	default:
		return false, nil
	}
	return true, err
}

// parseRequest reads the URL and headers of r.
func parseRequest(method string, u url.Values, h http.Header) (*request, error) {
	r := &request{
		readonly: method == http.MethodGet || method == http.MethodHead, httpCompression: true,
		bufferSize: defaultBuffer, sessionLife: defaultSessionLife, method: "LZ4",
		database: h.Get("X-ClickHouse-Database"), format: h.Get("X-ClickHouse-Format"),
	}
	names := make([]string, 0, len(u))
	for name := range u {
		names = append(names, name)
	}
	slices.Sort(names) // settings are applied in one order, whatever the map's
	for _, name := range names {
		value := u[name][len(u[name])-1]
		if err := r.set(name, value); err != nil {
			return nil, err
		}
	}
	if err := checkFormatName(r.format); err != nil {
		return nil, err
	}
	return r, nil
}

// set takes one URL parameter.
func (r *request) set(name, value string) error {
	if name != "query" && len(value) > maxQueryBytes || name == "session_id" && len(value) > maxSessionID ||
		name == "query_id" && len(value) > maxSessionID {
		return exceptionf(codeBadArguments, "BAD_ARGUMENTS", "the URL parameter %.140s is too long", name)
	}
	if known, err := r.setOwn(name, value); known {
		return err
	}
	if param, ok := strings.CutPrefix(name, "param_"); ok {
		if len(r.params) == maxParams {
			return exceptionf(codeBadArguments, "BAD_ARGUMENTS", "more than %d query parameters", maxParams)
		}
		if !isName(param) {
			return exceptionf(codeBadArguments, "BAD_ARGUMENTS", "%.140q is no name for a query parameter", param)
		}
		r.params = append(r.params, chdb.Param{Name: param, Value: value})
		return nil
	}
	if strings.HasSuffix(name, "_structure") || strings.HasSuffix(name, "_types") {
		return exceptionf(codeNotImplemented, "NOT_IMPLEMENTED",
			"external tables (%.140s) are not supported by the embedded engine; use a temporary table in a session", name)
	}
	if !isName(name) {
		return exceptionf(115, "UNKNOWN_SETTING", "%.140q is no name for a setting", name)
	}
	if len(r.settings) == maxSettings {
		return exceptionf(codeBadArguments, "BAD_ARGUMENTS", "more than %d settings in the URL", maxSettings)
	}
	r.settings = append(r.settings, setting{name, value})
	return nil
}

func (r *request) setMethod(v string) error {
	r.method = strings.ToUpper(v)
	switch r.method {
	case "LZ4", "LZ4HC", "ZSTD", "NONE":
		return nil
	}
	return exceptionf(codeUnknownCompressor, "UNKNOWN_COMPRESSION_METHOD",
		"network_compression_method=%.40q is not one of LZ4, LZ4HC, ZSTD, NONE", v)
}

func parseFlag(name, v string, to *bool) error {
	switch strings.ToLower(v) {
	case "1", "true":
		*to = true
	case "", "0", "false":
		*to = false
	default:
		return exceptionf(codeBadArguments, "BAD_ARGUMENTS", "%s=%.40q is neither 0 nor 1", name, v)
	}
	return nil
}

func parseInt(name, v string, lo, hi int, to *int) error {
	n, err := strconv.Atoi(v)
	if err != nil || n < lo || n > hi {
		return exceptionf(codeBadArguments, "BAD_ARGUMENTS", "%s=%.40q is not a number from %d to %d", name, v, lo, hi)
	}
	*to = n
	return nil
}

// isName reports whether s can be a setting or parameter: words joined by dots.
func isName(s string) bool {
	if s == "" || len(s) > maxNameBytes {
		return false
	}
	for i := range len(s) {
		if !isWordByte(s[i]) && s[i] != '.' {
			return false
		}
	}
	return true
}

// checkFormatName refuses what cannot be a format, since the name is put into
// SQL text by the engine.
func checkFormatName(format string) error {
	for i := range len(format) {
		if !isWordByte(format[i]) || len(format) > maxNameBytes {
			return exceptionf(73, "UNKNOWN_FORMAT", "Unknown format %.140q", format)
		}
	}
	return nil
}

// boundResult limits the result of a SELECT that has to be built as a whole,
// unless the client limits it.
func (r *request) boundResult(st statement, most int64) {
	format := st.format
	if format == "" {
		format = r.format
	}
	if st.kind != kindSelect || format == "" || streamJoiner(format) != nil {
		return
	}
	const name = "max_result_bytes"
	if !slices.ContainsFunc(r.settings, func(s setting) bool { return s.name == name }) {
		r.settings = append(r.settings, setting{name, strconv.FormatInt(most, 10)})
	}
}

// setStatement is the SET statement of the settings; "" for none.
func setStatement(settings []setting) string {
	if len(settings) == 0 {
		return ""
	}
	var b strings.Builder
	for i, s := range settings {
		if i == 0 {
			b.WriteString("SET ")
		} else {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s = %s", s.name, quoteString(s.value))
	}
	return b.String()
}

// quoteString is text as a SQL string literal.
func quoteString(text string) string {
	var b strings.Builder
	b.Grow(len(text) + 2)
	b.WriteByte('\'')
	for i := range len(text) {
		switch c := text[i]; c {
		case '\'', '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case 0:
			b.WriteString(`\0`)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('\'')
	return b.String()
}

// quoteIdent is name as a quoted identifier.
func quoteIdent(name string) string {
	return "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`", "\x00", "\\0").Replace(name) + "`"
}
