package alert

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/pipeline"
)

func matchers(t testing.TB, texts ...string) (out []Matcher) {
	t.Helper()
	for _, s := range texts {
		var m Matcher
		if err := m.UnmarshalText([]byte(s)); err != nil {
			t.Fatal(err)
		}
		out = append(out, m)
	}
	return out
}

func TestMatcher(t *testing.T) {
	d := &detection{rule: "recruit-1", severity: "high", kind: "rule", owner: "ct", mode: "live", labels: []string{"terror/a", "x"}}
	a := &alert{ID: "0a", Rule: d.rule, Severity: d.severity, Kind: d.kind, Owner: d.owner, Mode: d.mode, Labels: d.labels, Group: []Pair{{"author_id", "ann"}}}
	for text, want := range map[string]bool{
		"rule = recruit-1": true, "rule=recruit": false, "rule != other": true, `rule =~ "recruit-.*"`: true, "rule =~ recruit": false,
		"rule !~ recruit-[0-9]": false, "severity = high": true, "severity >= medium": true, "severity > high": false, "severity <= high": true,
		"severity < critical": true, "severity < info": false, "severity =~ high|critical": true, "label = x": true, "label = y": false,
		"label != x": false, "label != y": true, `label =~ "terror/.*"`: true, `label !~ "terror/.*"`: false, "kind = rule": true,
		"kind != score": true, "owner = ct": true, `owner = ""`: false, "mode = live": true, `rule = "recruit-1"`: true,
	} {
		m := matchers(t, text)[0]
		if m.takes(d) != want || m.covers(a) != want {
			t.Errorf("%s: takes %v, covers %v, want %v", text, m.takes(d), m.covers(a), want)
		}
		if again := matchers(t, m.String())[0]; again.takes(d) != want {
			t.Errorf("%s becomes %s", text, m)
		}
	}
	none := &detection{rule: "r", severity: "low"}
	for text, want := range map[string]bool{"label != x": true, "label !~ .*": true, "label =~ .*": false, `owner = ""`: true} {
		if m := matchers(t, text)[0]; m.takes(none) != want {
			t.Errorf("%s of a detection without labels: %v", text, !want)
		}
	}
	for text, want := range map[string]bool{"alert = 0a": true, "group.author_id = ann": true, "group.author_id != bob": true, "group.rule_id != bob": false} {
		if m := matchers(t, text)[0]; m.covers(a) != want {
			t.Errorf("%s: covers %v", text, !want)
		}
	}
	for text, want := range map[string]string{
		"":                                 "no condition",
		"severity":                         "no condition",
		"severity = hgih":                  "write one of info",
		"kind = rules":                     "write one of rule",
		"rule > a":                         "compares severities only",
		"author = ann":                     `no field "author"`,
		"rule =":                           "no value",
		"rule =~ (":                        "missing closing )",
		`rule =~ "a)|(b"`:                  "unexpected )",
		`rule =~ "(?!x)"`:                  "invalid or unsupported Perl syntax",
		`rule = "a`:                        "quotes",
		"Severity = high":                  "no condition",
		"rule = a\x1b[2J \n b":             "",
		strings.Repeat("x", 1001) + " = y": "1005 bytes",
	} {
		var m Matcher
		err := m.UnmarshalText([]byte(text))
		if want == "" && err == nil {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// TestRoutes sends detections through routes: the first that takes one has it,
// continue lets more have it, the rest is the default's, and each groups, waits
// and throttles by itself.
func TestRoutes(t *testing.T) {
	terror, spam, all, rest := newReceiver(t), newReceiver(t), newReceiver(t), newReceiver(t)
	cfg := testConfig(t, map[string]Target{"terror": webhook(terror.URL), "spam": webhook(spam.URL), "all": webhook(all.URL), "rest": webhook(rest.URL)})
	wait, interval := time.Minute, 30*time.Minute
	cfg.Routes = []Route{
		{Name: "copy", Match: matchers(t, "severity >= high"), Targets: []string{"all"}, Continue: true, By: []string{"severity"}, GroupWait: &wait},
		{Name: "terror", Match: matchers(t, `label =~ "terror/.*"`, "severity != info"), Targets: []string{"terror"}, By: []string{"rule_id", "author_id"}},
		{Name: "spam", Match: matchers(t, "rule =~ spam-.*"), Targets: []string{"spam"}, GroupInterval: &interval},
	}
	cfg.Default = &[]string{"rest"}
	r := opened(t, cfg)
	terrorist := func(author string, sec int, sev string) row {
		return det("recruit", author, sec, "labels", []string{"x", "terror/a"}, "severity", sev)
	}
	r.put(t, 1,
		terrorist("ann", 0, "critical"), terrorist("bob", 1, "low"), terrorist("ann", 2, "low"), terrorist("cyd", 3, "info"),
		det("spam-1", "ann", 4, "severity", "high"), det("spam-2", "ann", 5, "severity", "low"), det("other", "ann", 6, "severity", "low"),
		det("other", "ann", 7, "severity", "critical"))
	r.idle(t)
	check := func(name string, in *receiver, want string) {
		t.Helper()
		got := map[string]int64{}
		for _, m := range in.messages(t) {
			var values []string
			for _, p := range m.Group {
				values = append(values, p.Value)
			}
			got[m.Status+" "+m.Route+" "+strings.Join(values, " ")] = m.Count
		}
		if summary(got) != want {
			t.Errorf("%s: got %q, want %q", name, summary(got), want)
		}
	}
	check("terror", terror, "firing terror recruit ann 2; firing terror recruit bob 1")
	check("spam", spam, "firing spam spam-1 1; firing spam spam-2 1")
	check("rest", rest, "firing default other 1; firing default recruit 1")
	check("all waits", all, "")
	r.pass(wait)
	r.put(t, 2, det("spam-1", "ann", 8, "severity", "low"))
	r.pass(cfg.GroupInterval)
	r.idle(t)
	check("all", all, "firing copy critical 2; firing copy high 1")
	check("spam's interval is its own", spam, "firing spam spam-1 1; firing spam spam-2 1")
	r.pass(interval)
	r.idle(t)
	check("resolved", spam, "firing spam spam-1 1; firing spam spam-2 1; resolved spam spam-1 2; resolved spam spam-2 1")
	ids := map[string]bool{}
	for _, in := range []*receiver{terror, spam, all, rest} {
		for _, m := range in.messages(t) {
			ids[m.AlertID] = true
		}
	}
	if len(ids) != 8 {
		t.Errorf("%d alerts", len(ids))
	}
}

// TestRouteGone: alerts of a route that the config has no more are ended where
// they were told of.
func TestRouteGone(t *testing.T) {
	a, b := newReceiver(t), newReceiver(t)
	cfg := testConfig(t, map[string]Target{"a": webhook(a.URL), "b": webhook(b.URL)})
	cfg.Routes = []Route{{Name: "old", Match: matchers(t, "rule = r1"), Targets: []string{"a"}}}
	cfg.Default = &[]string{"b"}
	r := newRig(t, cfg)
	if err := r.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.put(t, 1, det("r1", "ann", 0))
	r.idle(t)
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	at := r.at
	cfg.Routes = nil
	r = newRig(t, cfg)
	r.at = at.Add(time.Minute)
	if err := r.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer r.Close(t.Context())
	r.pass(cfg.ResolveAfter)
	r.idle(t)
	if got := story(a.messages(t)); got != "firing r1 n=1 a=1 #1\nresolved r1 n=1 a=1 #2\n" {
		t.Errorf("a got %s", got)
	}
	if got := story(b.messages(t)); got != "" {
		t.Errorf("b got %s", got)
	}
}

// TestThrottle: alerts of one group begin no closer together in event time, and
// an alert that flaps by the clock is told of again no sooner.
func TestThrottle(t *testing.T) {
	in := newReceiver(t)
	cfg := testConfig(t, map[string]Target{"hook": webhook(in.URL)})
	cfg.GroupInterval, cfg.ResolveAfter, cfg.Throttle = time.Second, time.Minute, 10*time.Minute
	r := opened(t, cfg)
	for n := range 13 { // every two minutes: without throttle an alert each
		r.put(t, n, det("r1", "ann", n*120))
		r.pass(2 * time.Minute)
		r.idle(t)
	}
	began := map[string]int{}
	for _, m := range in.messages(t) {
		if m.Status == "firing" {
			began[m.AlertID]++
		}
	}
	// 24 minutes: windows from 0, 10 and 20.
	if len(began) != 3 {
		t.Errorf("%d alerts: %s", len(began), story(in.messages(t)))
	}
	for id, n := range began {
		if n > 2 {
			t.Errorf("%s fired %d times", id, n)
		}
	}
	total := int64(0)
	for _, m := range in.messages(t) {
		if m.Status == "resolved" {
			total = max(total, m.Count)
		}
	}
	if total != 5 {
		t.Errorf("the longest alert counts %d", total)
	}
}

// TestTargetSeverity: a target hears first of an alert when that is severe
// enough for it, as firing.
func TestTargetSeverity(t *testing.T) {
	low, high := newReceiver(t), newReceiver(t)
	picky := webhook(high.URL)
	picky.MinSeverity = "critical"
	cfg := testConfig(t, map[string]Target{"low": webhook(low.URL), "high": picky})
	r := opened(t, cfg)
	r.put(t, 1, det("r1", "ann", 0))
	r.idle(t)
	r.put(t, 2, det("r1", "ann", 1, "severity", "critical"))
	r.pass(cfg.GroupInterval)
	r.idle(t)
	r.pass(cfg.ResolveAfter)
	r.idle(t)
	if got, want := story(high.messages(t)), "firing r1 n=2 a=1 #2\nresolved r1 n=2 a=1 #3\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := story(low.messages(t)), "firing r1 n=1 a=1 #1\nupdated r1 n=2 a=1 #2\nresolved r1 n=2 a=1 #3\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestRouteConfig: what is wrong is told at once.
func TestRouteConfig(t *testing.T) {
	for want, set := range map[string]func(*Config){
		"routes.1.name: \"a\" is taken":            func(c *Config) { c.Routes = append(c.Routes, c.Routes[0]) },
		"routes.0.name: \"default\" is taken":      func(c *Config) { c.Routes[0].Name = "default" },
		"routes.0.match: 0 conditions":             func(c *Config) { c.Routes[0].Match = nil },
		"routes.0.match.0: routes look at":         func(c *Config) { c.Routes[0].Match = matchers(t, "alert = 0a") },
		"routes.0.targets.0: no target \"x\"":      func(c *Config) { c.Routes[0].Targets = []string{"x"} },
		"routes.0.targets.1: \"hook\" is there":    func(c *Config) { c.Routes[0].Targets = []string{"hook", "hook"} },
		"routes.0.targets: none":                   func(c *Config) { c.Routes[0].Targets = nil },
		"routes.0.by.1: \"rule_id\" is there":      func(c *Config) { c.Routes[0].By = []string{"rule_id", "rule_id"} },
		"default: missing":                         func(c *Config) { c.Default = nil },
		"default.0: no target \"y\"":               func(c *Config) { c.Default = &[]string{"y"} },
		"quiet.0.during: no times \"night\"":       func(c *Config) { c.Quiet = []Quiet{{During: "night", Below: "high", Do: "hold"}} },
		"routes.0.quiet.0.targets.0: no target":    func(c *Config) { c.Routes[0].Quiet = []Quiet{{During: "night", Targets: []string{"z"}}} },
		"times.night.zone: no time zone \"Mars\"":  func(c *Config) { c.Times = map[string]Times{"night": {Zone: "Mars", Spans: []TimeSpan{{}}}} },
		"times.night.spans: none":                  func(c *Config) { c.Times = map[string]Times{"night": {Zone: "UTC"}} },
		"times.night.zone: write a time zone":      func(c *Config) { c.Times = map[string]Times{"night": {Zone: "Local", Spans: []TimeSpan{{}}}} },
		"dead_letters.targets.0: no target":        func(c *Config) { c.DeadLetters = &DeadLetters{Targets: []string{"q"}} },
		"heartbeat.targets.0: \"pd\" is PagerDuty": func(c *Config) { c.Heartbeat = &Heartbeat{Targets: []string{"pd"}} },
	} {
		cfg := testConfig(t, map[string]Target{"hook": webhook("http://127.0.0.1:1"), "pd": {PagerDuty: &PagerDuty{RoutingKey: "k"}, Timeout: time.Second}})
		cfg.Routes = []Route{{Name: "a", Match: matchers(t, "rule = r1"), Targets: []string{"hook"}}}
		cfg.Default = &[]string{}
		if err := cfg.Validate(); err != nil {
			t.Fatal(err)
		}
		set(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	cfg := testConfig(t, map[string]Target{"hook": webhook("http://127.0.0.1:1")})
	cfg.Routes = []Route{{Name: "a", Match: matchers(t, "rule = r1"), Targets: []string{"hook"}, By: []string{"athor_id"}}}
	bc := pipeline.BuildContext{Pipeline: "p", Name: "alerts", Dir: t.TempDir()}
	_, err := Factory().PlanSink(bc, &cfg, pipeline.Schemas{nil, pipeline.DetectionsSchema(), nil})
	if err == nil || !strings.Contains(fmt.Sprint(err), `routes.0.by.0: detections have no column "athor_id"`) {
		t.Errorf("got %v", err)
	}
}
