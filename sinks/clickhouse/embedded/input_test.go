package embedded

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ClickHouse/ch-go/compress"
)

func frames(t testing.TB, parts ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	for i, part := range parts {
		w := compress.NewWriter(1, []compress.Method{compress.LZ4, compress.ZSTD, compress.None}[i%3])
		must(t, w.Compress([]byte(part)))
		out.Write(w.Data)
	}
	return out.Bytes()
}

func TestFrameReader(t *testing.T) {
	long := strings.Repeat("abc", 1<<20)
	data := frames(t, "one", long, "three")
	got, err := io.ReadAll(newFrameReader(bytes.NewReader(data), maxFrameWriter))
	if err != nil || string(got) != "one"+long+"three" {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	isRefused := func(what string, data []byte, limit int) {
		t.Helper()
		_, err := io.ReadAll(newFrameReader(bytes.NewReader(data), limit))
		var e *exception
		if !errors.As(err, &e) || e.code != codeCannotDecompress {
			t.Errorf("%s: %v", what, err)
		}
	}
	isRefused("too large", data, 1<<20)
	isRefused("cut", data[:len(data)-1], maxFrameWriter)
	isRefused("cut in a header", data[:20], maxFrameWriter)
	for _, at := range []int{0, 16, 17, 21, 26} {
		bad := bytes.Clone(data)
		bad[at] ^= 0x55
		isRefused("changed", bad, maxFrameWriter)
	}
}

func FuzzFrameReader(f *testing.F) {
	f.Add(frames(f, "one", "two", "three"))
	f.Add(frames(f, strings.Repeat("x", 1000))[:30])
	f.Add(frames(f, ""))
	f.Add(bytes.Repeat([]byte{0xff}, 40))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := io.Copy(io.Discard, newFrameReader(bytes.NewReader(data), 1<<20))
		var e *exception
		if err != nil && (!errors.As(err, &e) || e.code != codeCannotDecompress) {
			t.Fatalf("after %d bytes: %v", n, err)
		}
	})
}

func FuzzParseRequest(f *testing.F) {
	f.Add("query=SELECT+1&database=d&compress=1&param_a=1&max_threads=2", "CSV")
	f.Add("session_id=a&session_timeout=5&buffer_size=99999999&wait_end_of_query=true", "")
	f.Add("a%27b=1&x_structure=y&network_compression_method=zstd&network_zstd_compression_level=3", "a b")
	f.Fuzz(func(t *testing.T, raw, format string) {
		values, err := url.ParseQuery(raw)
		if err != nil {
			return
		}
		r, err := parseRequest(http.MethodPost, values, http.Header{"X-Clickhouse-Format": {format}})
		if err != nil {
			var e *exception
			if !errors.As(err, &e) || e.code == 0 || !strings.HasPrefix(e.text, "Code: ") {
				t.Fatalf("%q: %v", raw, err)
			}
			return
		}
		if r.bufferSize > maxBuffer || len(r.settings) > maxSettings || len(r.params) > maxParams {
			t.Fatalf("%q: %+v", raw, r)
		}
		if _, err := analystSettings(r.settings, 60); err == nil {
			for _, s := range r.settings {
				if s.name == "readonly" && s.value == "0" || s.name == "format_schema" {
					t.Fatalf("%q: a reader may set %s", raw, s.name)
				}
			}
		}
		// The SET statement holds exactly one literal a setting: no value can end
		// its own and go on as SQL.
		sc := scanner{src: setStatement(r.settings)}
		literals := 0
		for {
			tok, ok := sc.next()
			if !ok {
				break
			}
			switch tok.kind {
			case tokenString:
				literals++
			case tokenIncomplete:
				t.Fatalf("%q: SET is cut: %q", raw, sc.src)
			}
		}
		if literals != len(r.settings) {
			t.Fatalf("%q: %d literals in %q", raw, literals, sc.src)
		}
	})
}

func FuzzJoin(f *testing.F) {
	f.Add("CSVWithNamesAndTypes", []byte("\"a\nb\"\n\"c\"\n1\n"))
	f.Add("RowBinaryWithNames", []byte{2, 1, 'a', 1, 'b', 9})
	f.Add("ArrowStream", []byte{255, 255, 255, 255, 1, 0, 0, 0, 7, 255, 255, 255, 255, 0, 0, 0, 0})
	f.Add("TSVWithNamesAndTypes", []byte("a\nb\nc"))
	f.Fuzz(func(t *testing.T, format string, piece []byte) {
		j := streamJoiner(format)
		if j == nil {
			return
		}
		whole, ok := j.join(piece, true)
		if !ok {
			return
		}
		if rest, ok := j.join(piece, false); ok && !bytes.HasSuffix(whole, rest) {
			t.Fatalf("%s: %q is no end of %q", format, rest, whole)
		}
	})
}
