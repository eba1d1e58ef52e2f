package alert

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/pipeline"
)

// TestTemplate makes bodies of a hostile message.
func TestTemplate(t *testing.T) {
	body, err := json.Marshal(sampleMessage())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, text, content, want string }{
		{"one value", `{"text": {{ .rule_id | json }}, "n": {{ .count }}}`, "application/json", `{"text": "\"quoted\" \\ \u003cb\u003e\u0026amp;\u003c/b\u003e\n{{.}}", "n": 2}`},
		{"the whole", `{"alert": {{ json . }}}`, "application/vnd.x+json", `"alert_id":"0"`},
		{"texts", `{{ .status | upper }} {{ cut 3 .alert_id }} {{ len .labels }} {{ with .group }}{{ (index . 0).name | json }}{{ end }}`, "text/plain", `FIRING 0 2 "\"quoted`},
		{"lists", `[{{ range $i, $e := .examples }}{{ if $i }},{{ end }}{{ text "[" "]" $e.pieces | json }}{{ end }}]`, "application/json", `[\"quoted\"`},
		{"nested", `{{ range .examples }}{{ range .pieces }}{{ if index . "text" }}x{{ else }}y{{ end }}{{ end }}{{ end }}`, "text/plain", "xxxx"},
		{"join", `{{ join ", " .labels | json }}`, "application/json", `, \"quoted\"`},
		{"optional", `{{ with .runbook }}{{ json . }}{{ else }}null{{ end }}`, "application/json", `"\"quoted`},
		{"growth", `{{ .growth.per_minute }}`, "application/json", "0"},
	} {
		b, err := parseBody(c.text, c.content)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		out, err := b.execute(body)
		if err != nil || !strings.Contains(string(out), c.want) {
			t.Errorf("%s: %s, %v", c.name, out, err)
		}
	}
	for _, c := range []struct{ name, text, content, want string }{
		{"syntax", "{\n\n{{ .rule_id", "application/json", "line 3: "},
		{"no function", "\n{{ env \"HOME\" }}", "application/json", `line 2: function "env" not defined`},
		{"printf", `{{ printf "%1000000000d" 1 }}`, "text/plain", "the function printf is not for this template"},
		{"call", `{{ call .x }}`, "text/plain", "the function call"},
		{"in a condition", `{{ if (print 1) }}{{ end }}`, "text/plain", "the function print"},
		{"define", `{{ define "x" }}{{ template "x" }}{{ end }}{{ template "x" }}`, "text/plain", "define and block"},
		{"itself", `{{ template "body" }}`, "text/plain", "template is not for this template"},
		{"a number", `{{ range 1000000000 }}x{{ end }}`, "text/plain", "range goes over a list"},
		{"a number by a name", `{{ $n := 1000000000 }}{{ range $n }}{{ end }}`, "text/plain", "range goes over a list"},
		{"too deep", strings.Repeat(`{{ range .labels }}`, 4) + strings.Repeat(`{{ end }}`, 4), "text/plain", "range within 3 others"},
		{"unknown field", `{{ .ruel }}`, "text/plain", `line 1: <.ruel>: map has no entry for key "ruel"`},
		{"quotes around", `{"text": "{{ .rule_id }}"}`, "application/json", "is not JSON: write each value as"},
		{"not JSON", `hello`, "application/json; charset=utf-8", "is not JSON"},
		{"wrong kind", `{{ join "," .count }}`, "text/plain", "is no list"},
		{"missing where a list is empty", `{{ (index .examples 0).post_id | json }}`, "application/json", "index out of range"},
		{"too long", strings.Repeat("x", maxTemplate+1), "text/plain", "bytes: write"},
	} {
		if _, err := parseBody(c.text, c.content); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	// What it makes is bounded, however often it says the same.
	m := sampleMessage()
	m.Labels = make([]string, 20)
	for i := range m.Labels {
		m.Labels[i] = strings.Repeat("x", 256)
	}
	b, err := parseBody(`{{ $m := . }}{{ range .labels }}{{ range $m.labels }}{{ range $m.labels }}{{ json $m }}{{ end }}{{ end }}{{ end }}`, "text/plain")
	if err != nil {
		t.Fatal(err)
	}
	body, err = json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.execute(body); err == nil || !strings.Contains(err.Error(), "more than 262144 bytes") {
		t.Errorf("got %v", err)
	}
}

// TestWebhookTemplate sends the body of a template, signed.
func TestWebhookTemplate(t *testing.T) {
	got := make(chan *http.Request, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		got <- r
	}))
	t.Cleanup(srv.Close)
	target := webhook(srv.URL)
	target.Webhook.SetDefaults()
	target.Webhook.Secret = pipeline.Secret("k")
	target.Webhook.Template = `{"msg": [{{ range $i, $e := .examples }}{{ if $i }}, {{ end }}{{ text "**" "**" $e.pieces | json }}{{ end }}]}`
	r := opened(t, testConfig(t, map[string]Target{"hook": target}))
	r.put(t, 1, det("r1", "ann", 0, "text", `say "zorvath" {{.}}`, "spans.start", []uint32{5}, "spans.end", []uint32{12}))
	r.idle(t)
	req := <-got
	body, _ := io.ReadAll(req.Body)
	if string(body) != `{"msg": ["say \"**zorvath**\" {{.}}"]}` || req.Header.Get("Content-Type") != "application/json" || len(req.Header.Get(HeaderKey)) != 32 {
		t.Errorf("body %s, headers %v", body, req.Header)
	}
	if sig := req.Header.Get(HeaderSignature); sig != Sign("k", r.now(), body) {
		t.Errorf("signature %s", sig)
	}
	bad := webhook("http://127.0.0.1:1")
	bad.Webhook.SetDefaults()
	bad.Webhook.Template = "{\n{{ .nope }}\n}"
	cfg := testConfig(t, map[string]Target{"hook": bad})
	if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "targets.hook.webhook.template: tried on a message: line 2: ") {
		t.Errorf("got %v", err)
	}
}

func FuzzTemplate(f *testing.F) {
	f.Add(`{"text": {{ .rule_id | json }}}`)
	f.Add(`{{ range .examples }}{{ text "" "" .pieces }}{{ end }}`)
	f.Add(`{{ $n := 5 }}{{ range $n }}{{ end }}`)
	body, _ := json.Marshal(sampleMessage())
	f.Fuzz(func(t *testing.T, text string) {
		b, err := parseBody(text, "application/json")
		if err != nil {
			return
		}
		if out, err := b.execute(body); err == nil && (!json.Valid(out) || len(out) > maxBody) {
			t.Errorf("%q makes %.200s", text, out)
		}
	})
}
