package decode_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"go.yaml.in/yaml/v3"

	"github.com/sluicehq/sluice/internal/realdata"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/sources/decode"
)

// columns decodes data and returns the string columns of the posts, by name.
func columns(t *testing.T, format string, data []byte) (cols map[string][]string, rejected map[string]int) {
	t.Helper()
	cfg := decode.Defaults()
	cfg.Format = format
	plan, err := decode.NewPlan(cfg, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	cols, rejected = map[string][]string{}, map[string]int{}
	d := plan.New()
	for _, c := range chunks(data) {
		err := d.Decode(t.Context(), &c, func(b pipeline.Batch) error {
			defer b.Record.Release()
			if b.Stream == pipeline.Rejected {
				for _, reason := range strs(b.Record.Column(3).(*array.String)) {
					rejected[reason]++
				}
				return nil
			}
			for i, col := range b.Record.Columns() {
				if s, ok := col.(*array.String); ok {
					cols[b.Record.ColumnName(i)] = append(cols[b.Record.ColumnName(i)], strs(s)...)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return cols, rejected
}

func strs(a *array.String) []string {
	var out []string
	for i := range a.Len() {
		out = append(out, strings.Clone(a.Value(i)))
	}
	return out
}

// TestRealPlain compares real posts with what encoding/json reads.
func TestRealPlain(t *testing.T) {
	data := lines(t, realdata.Posts, 50_000)
	got, rejected := columns(t, "plain", data)
	if len(rejected) != 0 || len(got["id"]) != 50_000 {
		t.Fatalf("%d posts, %v", len(got["id"]), rejected)
	}
	for i, line := range bytes.Split(bytes.TrimSpace(data), []byte("\n")) {
		var want struct {
			ID, Text, Lang, Kind string
			Author               struct{ ID, Handle string }
		}
		if err := json.Unmarshal(line, &want); err != nil {
			t.Fatal(err)
		}
		if got["id"][i] != want.ID || got["text"][i] != want.Text || got["lang"][i] != strings.ToLower(want.Lang) ||
			got["kind"][i] != want.Kind || got["author_id"][i] != want.Author.ID || got["author_handle"][i] != want.Author.Handle {
			t.Fatalf("row %d differs from encoding/json's", i)
		}
	}
}

// TestRealTwitter reads raw v1.1 objects; retweets are known from elsewhere.
func TestRealTwitter(t *testing.T) {
	data := lines(t, "twitter_v11_test.jsonl.zst", -1)
	truth, err := os.ReadFile(realdata.Path(t, "posts", "twitter_v11_retweets.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	parent := map[string]string{}
	for line := range strings.SplitSeq(string(truth), "\n") {
		if f := strings.Split(line, "\t"); len(f) == 5 {
			parent[f[1]] = f[2]
		}
	}
	got, rejected := columns(t, "twitter_v1", data)
	if len(rejected) != 0 || len(got["id"]) != 5297 {
		t.Fatalf("%d posts, %v", len(got["id"]), rejected)
	}
	for i, id := range got["id"] {
		if got["repost_of"][i] != parent[id] || (got["kind"][i] == "repost") != (parent[id] != "") {
			t.Fatalf("%s is a %s of %q, want %q", id, got["kind"][i], got["repost_of"][i], parent[id])
		}
		if got["text"][i] == "" || got["author_id"][i] == "" || got["author_handle"][i] == "" {
			t.Fatalf("%s lacks text or author", id)
		}
	}
}

// TestRealSearch reads the statuses of simdjson's twitter.json, also escaped.
func TestRealSearch(t *testing.T) {
	var texts [][]string
	for _, name := range []string{"twitter.json", "twitterescaped.json"} {
		b, err := os.ReadFile(realdata.Path(t, "formats", "simdjson", name))
		if err != nil {
			t.Fatal(err)
		}
		var page struct{ Statuses []json.RawMessage }
		if err := json.Unmarshal(b, &page); err != nil {
			t.Fatal(err)
		}
		var data bytes.Buffer
		for _, s := range page.Statuses {
			if err := json.Compact(&data, s); err != nil {
				t.Fatal(err)
			}
			data.WriteByte('\n')
		}
		got, rejected := columns(t, "twitter_v1", data.Bytes())
		if len(rejected) != 0 || len(got["id"]) != 100 {
			t.Fatalf("%d posts, %v", len(got["id"]), rejected)
		}
		texts = append(texts, got["text"])
	}
	for i := range texts[0] {
		if texts[0][i] != texts[1][i] {
			t.Fatalf("status %d: the escaped text is another", i)
		}
	}
}

// TestRealJetstream reads sample events: posts are posts, the rest is not.
func TestRealJetstream(t *testing.T) {
	b, err := os.ReadFile(realdata.Path(t, "formats", "jetstream_samples", "real_events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	got, rejected := columns(t, "jetstream", b)
	if len(got["id"]) != 8 || rejected["not_a_post"] != 3 || len(rejected) != 1 {
		t.Errorf("%d posts, %v", len(got["id"]), rejected)
	}
}

// TestRealMastodon reads every status in the recordings.
func TestRealMastodon(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(realdata.Path(t, "formats", "mastodon_fixtures", "tests", "cassettes"), "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	var data bytes.Buffer
	n := 0
	var collect func(v any)
	collect = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				collect(e)
			}
		case map[string]any:
			if v["content"] != nil && v["account"] != nil && v["id"] != nil {
				line, _ := json.Marshal(v)
				data.Write(append(line, '\n'))
				n++
				return
			}
			for _, e := range v {
				collect(e)
			}
		}
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var tape struct {
			Interactions []struct {
				Response struct{ Body struct{ String string } }
			}
		}
		if err := yaml.Unmarshal(b, &tape); err != nil {
			continue // recordings of binary bodies
		}
		for _, i := range tape.Interactions {
			var v any
			if json.Unmarshal([]byte(i.Response.Body.String), &v) == nil {
				collect(v)
			}
		}
	}
	got, rejected := columns(t, "mastodon", data.Bytes())
	if n < 20 || len(got["id"]) != n || len(rejected) != 0 {
		t.Fatalf("%d of %d statuses, %v", len(got["id"]), n, rejected)
	}
	for i, text := range got["text"] {
		if strings.Contains(text, "<p>") || strings.Contains(text, "&#39;") {
			t.Errorf("status %d: HTML is left: %q", i, text)
		}
	}
}
