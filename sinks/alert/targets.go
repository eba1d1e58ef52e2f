package alert

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sluicehq/sluice/pipeline"
)

// newTarget makes the receiver that the config describes.
func newTarget(name string, cfg Target, all *Config) (*target, error) {
	t := &target{name: name, cfg: cfg, workers: workersPerTarget, wake: make(chan struct{}, workersPerTarget)}
	t.accepted = func(code int, _ []byte) bool { return code >= 200 && code < 300 }
	t.attempt = t.post
	var secrets []pipeline.Secret
	switch {
	case cfg.Webhook != nil:
		w, err := newHook(cfg.Webhook)
		if err != nil {
			return nil, err
		}
		secrets = []pipeline.Secret{w.URL, w.Secret, w.Token}
		t.request = w.request
	case cfg.Alertmanager != nil:
		am := cfg.Alertmanager
		secrets = []pipeline.Secret{am.URL, am.Token}
		t.request = func(ctx context.Context, m *Message, now time.Time) (*http.Request, error) {
			return am.request(ctx, m, now, all.holds(m.Route))
		}
	case cfg.Slack != nil:
		secrets = []pipeline.Secret{cfg.Slack.URL}
		t.request = cfg.Slack.request
		t.workers = 1 // Slack takes one message a second and webhook
		t.accepted = func(code int, body []byte) bool {
			return code == http.StatusOK && strings.TrimSpace(string(body)) == "ok"
		}
	case cfg.Email != nil:
		secrets = cfg.Email.secrets()
		t.workers = 1 // servers bound the connections of one sender
		t.mail = newMailer(t)
		t.attempt = t.mail.send
	default:
		secrets = []pipeline.Secret{cfg.PagerDuty.RoutingKey}
		t.request = cfg.PagerDuty.request
		t.accepted = func(code int, _ []byte) bool { return code == http.StatusAccepted }
	}
	if cfg.Email == nil {
		t.client = newClient(cfg)
	}
	for _, s := range secrets {
		t.secrets = append(t.secrets, s.Reveal())
	}
	return t, nil
}

// holds is how long a message to Alertmanager stands without another: an alert
// of which nothing is heard any more must not stay for ever.
func (c *Config) holds(route string) time.Duration {
	if route == kindMeta && c.Heartbeat != nil {
		return 3 * c.Heartbeat.Interval
	}
	resolve, interval := c.ResolveAfter, c.GroupInterval
	for _, r := range c.Routes {
		if r.Name == route {
			resolve = time.Duration(ms(r.ResolveAfter, c.ResolveAfter)) * time.Millisecond
			interval = time.Duration(ms(r.GroupInterval, c.GroupInterval)) * time.Millisecond
		}
	}
	if d := c.DeadLetters; route == kindMeta && d != nil {
		resolve = d.ResolveAfter
	}
	return resolve + interval + time.Hour
}

// post makes a request with a JSON body. encoding/json escapes <, > and &, so
// a body that lands in a page by mistake is harmless there too.
func post(ctx context.Context, address string, body any) (*http.Request, []byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(text))
	return req, text, err
}

func bearer(req *http.Request, token pipeline.Secret) {
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
}

// Names of the webhook's headers.
const (
	HeaderKey       = "Idempotency-Key"
	HeaderSignature = "Sluice-Signature"
)

// Sign returns the value of Sluice-Signature: the time of sending in seconds
// and the hex HMAC-SHA256 of that, a full stop and the body.
func Sign(secret pipeline.Secret, at time.Time, body []byte) string {
	unix := strconv.FormatInt(at.Unix(), 10)
	h := hmac.New(sha256.New, []byte(secret.Reveal()))
	h.Write([]byte(unix + "."))
	h.Write(body)
	return "t=" + unix + ",v1=" + hex.EncodeToString(h.Sum(nil))
}

// amAlert is an alert of Alertmanager's API v2.
type amAlert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	EndsAt      time.Time         `json:"endsAt"`
}

// request gives the alert labels that do not change in its life, since they
// are what Alertmanager knows it by. A firing alert ends after hold, unless it
// is renewed or resolved before: so it does not stay for ever if Sluice does not
// come back.
func (am *Alertmanager) request(ctx context.Context, m *Message, now time.Time, hold time.Duration) (*http.Request, error) {
	labels := map[string]string{
		"alertname": "SluiceDetections", "severity": m.BeganAs, "sluice_pipeline": m.Pipeline,
		"sluice_sink": m.Sink, "sluice_alert": m.AlertID,
	}
	for _, p := range m.Group {
		labels[labelName(p.Name)] = p.Value
		if p.Name == "rule_id" && p.Value != "" {
			labels["alertname"] = p.Value
		}
	}
	if m.Status == statusHeartbeat {
		labels["alertname"] = "SluiceHeartbeat"
	} else if m.Kind == kindMeta {
		labels["alertname"] = "SluiceDeadLetters"
	}
	a := amAlert{
		Labels: labels,
		Annotations: map[string]string{
			"summary": m.title(), "severity": m.Severity, "rule": fmt.Sprintf("%s, version %d", m.Rule, m.RuleVersion), "owner": m.Owner,
			"first_seen": stamp(m.FirstSeen), "last_seen": stamp(m.LastSeen), "labels": strings.Join(m.Labels, ", "),
			"sql": m.SQL, "examples": m.examples("[[", "]]"), "growth": m.Growth.String(), "runbook_url": m.Runbook, "note": m.Note,
		},
		StartsAt: m.FirstSeen, EndsAt: now.Add(hold).UTC(),
	}
	maps.DeleteFunc(a.Annotations, func(_, v string) bool { return v == "" })
	if m.Status == statusResolved {
		a.EndsAt = now.UTC()
	}
	if a.StartsAt.After(now) { // a post may claim any time
		a.StartsAt = now.UTC()
	}
	req, _, err := post(ctx, strings.TrimSuffix(am.URL.Reveal(), "/")+"/api/v2/alerts", []amAlert{a})
	if err != nil {
		return nil, err
	}
	bearer(req, am.Token)
	return req, nil
}

// labelName makes a column's name one of a Prometheus label.
func labelName(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z') || (r >= '0' && r <= '9') {
			return r
		}
		return '_'
	}, s)
}

func stamp(t time.Time) string { return t.Format("2006-01-02 15:04:05 MST") }

// examples writes the posts as plain text with the matches between marks.
func (m *Message) examples(before, after string) string {
	var b strings.Builder
	for i, e := range m.Examples {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s by %s: ", e.PostID, e.AuthorID)
		for _, p := range e.Pieces {
			if p.Match {
				b.WriteString(before + p.Text + after)
			} else {
				b.WriteString(p.Text)
			}
		}
	}
	return b.String()
}

// pdSeverity is PagerDuty's name of a severity.
func pdSeverity(s string) string {
	switch s {
	case "critical":
		return "critical"
	case "high":
		return "error"
	case "medium":
		return "warning"
	}
	return "info"
}

func (pd *PagerDuty) request(ctx context.Context, m *Message, _ time.Time) (*http.Request, error) {
	address := pd.URL
	if address == "" {
		address = pagerDutyURL
	}
	event := map[string]any{"routing_key": pd.RoutingKey.Reveal(), "event_action": "trigger", "dedup_key": m.AlertID}
	switch m.Status {
	case statusResolved:
		event["event_action"] = "resolve"
	case statusAcknowledged:
		event["event_action"] = "acknowledge"
	default:
		if m.Runbook != "" {
			event["links"] = []map[string]string{{"href": m.Runbook, "text": "Runbook"}}
		}
		event["client"] = "Sluice"
		event["payload"] = map[string]any{
			"summary": cut(m.title(), 1024), "source": m.Pipeline + "/" + m.Sink, "severity": pdSeverity(m.Severity),
			"timestamp": m.FirstSeen, "class": m.Kind, "group": m.Owner, "component": m.Rule,
			"custom_details": m,
		}
	}
	req, _, err := post(ctx, address, event)
	return req, err
}
