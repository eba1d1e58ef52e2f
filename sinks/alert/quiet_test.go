package alert

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func clock(t testing.TB, s string) (c Clock) {
	t.Helper()
	if err := c.UnmarshalText([]byte(s)); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTimes(t *testing.T) {
	span := func(from, to string, days ...string) TimeSpan {
		s := TimeSpan{Days: days}
		if from != "" {
			s.From = clock(t, from)
		}
		if to != "" {
			s.To = clock(t, to)
		}
		return s
	}
	for _, c := range []struct {
		name  string
		zone  string
		spans []TimeSpan
		in    []string // of 2026-11: the 23rd is a Monday
		out   []string
	}{
		{"day hours", "UTC", []TimeSpan{span("09:00", "17:30")}, []string{"23T09:00", "28T17:29"}, []string{"23T08:59", "23T17:30"}},
		{"nights", "UTC", []TimeSpan{span("22:00", "07:00", "mon", "tue")}, []string{"23T22:00", "24T06:59", "25T06:59", "24T23:00"}, []string{"23T06:00", "25T07:00", "25T22:00", "24T12:00"}},
		{"whole days", "UTC", []TimeSpan{span("", "", "sat", "sun")}, []string{"28T00:00", "29T23:59"}, []string{"27T23:59", "30T00:00"}},
		{"until midnight", "UTC", []TimeSpan{span("20:00", "24:00", "mon")}, []string{"23T23:59"}, []string{"24T00:00", "23T19:59"}},
		{"zone", "Asia/Kolkata", []TimeSpan{span("22:00", "23:00", "mon")}, []string{"23T16:30", "23T17:29"}, []string{"23T22:00", "23T16:29"}},
		{"two spans", "UTC", []TimeSpan{span("", "", "sun"), span("12:00", "13:00")}, []string{"29T05:00", "23T12:30"}, []string{"23T05:00"}},
	} {
		times := Times{Zone: c.zone, Spans: c.spans}
		if err := times.load(); err != nil {
			t.Fatal(err)
		}
		for i, list := range [][]string{c.in, c.out} {
			for _, s := range list {
				at, err := time.Parse("2006-01-02T15:04", "2026-11-"+s)
				if err != nil {
					t.Fatal(err)
				}
				if got := times.contains(at); got != (i == 0) {
					t.Errorf("%s: %s: %v", c.name, s, got)
				}
			}
		}
	}
	for _, bad := range []string{"", "7:00", "25:00", "12:60", "noon", "12:00:00", "24:01"} {
		if err := new(Clock).UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// tale writes what a target was told: status and count.
func tale(t testing.TB, in *receiver) string {
	t.Helper()
	var out []string
	for _, m := range in.messages(t) {
		out = append(out, m.Status+" "+m.Rule+" "+itoa(m.Count))
	}
	return strings.Join(out, "; ")
}

// quietRig is a sink of which the target "team" is quiet from 22:00 to 07:00,
// and "other" never. The clock stands at 21:00 on a day.
func quietRig(t *testing.T, do string) (r *rig, team, other *receiver) {
	t.Helper()
	team, other = newReceiver(t), newReceiver(t)
	cfg := testConfig(t, map[string]Target{"team": webhook(team.URL), "other": webhook(other.URL)})
	cfg.GroupInterval, cfg.ResolveAfter = time.Minute, 30*time.Minute
	cfg.Times = map[string]Times{"nights": {Zone: "UTC", Spans: []TimeSpan{{From: clock(t, "22:00"), To: clock(t, "07:00")}}}}
	cfg.Quiet = []Quiet{{During: "nights", Below: "critical", Do: do, Targets: []string{"team"}}}
	r = newRig(t, cfg)
	r.at = time.Date(2026, 11, 25, 21, 0, 0, 0, time.UTC)
	r.every = time.Hour // it looks when the test says so, and not between two of its steps
	if err := r.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return r, team, other
}

// night writes detections: one alert that is over before morning, one that goes
// on, one that was told of in the evening and ends in the night, and one that
// becomes critical.
func night(t *testing.T, r *rig) {
	t.Helper()
	n := 0
	put := func(rows ...row) { n++; r.put(t, n, rows...); r.idle(t) }
	put(det("evening", "ann", 0))
	r.pass(29 * time.Minute)
	put(det("evening", "ann", 1))
	r.pass(29 * time.Minute)
	put(det("evening", "ann", 2)) // 21:58
	r.pass(3 * time.Minute)       // 22:01
	put(det("short", "ann", 60), det("grave", "ann", 60))
	r.pass(5 * time.Minute)
	put(det("short", "ann", 61), det("grave", "ann", 61, "severity", "critical"))
	for range 18 { // until 07:06
		r.pass(30 * time.Minute)
		put(det("long", "ann", 1000+n))
	}
}

func TestQuietHold(t *testing.T) {
	r, team, other := quietRig(t, "hold")
	night(t, r)
	// The night's alerts are told of in the morning, whole; the one that became
	// critical at once.
	want := map[string]string{
		"evening": "firing 1; updated 2; updated 3; resolved 3", "grave": "firing 2; resolved 2", "short": "firing 2; resolved 2", "long": "firing 18",
	}
	checkTales(t, team, want)
	for _, m := range other.messages(t) {
		if m.Rule == "short" && m.Status == "firing" && m.Count != 1 {
			t.Errorf("the other target was told late: %s", tale(t, other))
		}
	}
	r.Sink.mu.Lock()
	held := r.suppressed[whyHeld]
	r.Sink.mu.Unlock()
	if held == 0 {
		t.Error("nothing is counted as held")
	}
}

func TestQuietDrop(t *testing.T) {
	r, team, _ := quietRig(t, "drop")
	night(t, r)
	// What was over before morning is not told of; what was told of in the
	// evening is ended all the same.
	checkTales(t, team, map[string]string{"evening": "firing 1; updated 2; updated 3; resolved 3", "grave": "firing 2; resolved 2", "long": "firing 18"})
}

func checkTales(t *testing.T, in *receiver, want map[string]string) {
	t.Helper()
	got := map[string][]string{}
	for _, m := range in.messages(t) {
		got[m.Rule] = append(got[m.Rule], m.Status+" "+itoa(m.Count))
	}
	if len(got) != len(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for rule, w := range want {
		if g := strings.Join(got[rule], "; "); g != w {
			t.Errorf("%s: got %q, want %q", rule, g, w)
		}
	}
}

// TestQuietRestart: what is held survives a kill.
func TestQuietRestart(t *testing.T) {
	r, team, _ := quietRig(t, "hold")
	cfg := r.cfg
	r.pass(2 * time.Hour)
	r.put(t, 1, det("r1", "ann", 0))
	r.idle(t)
	r.pass(time.Hour)
	r.idle(t)
	at := r.at
	r.kill(t, true)
	r.Sink.mu.Lock()
	r.Sink.ended = true // the test's end need not close it
	r.Sink.mu.Unlock()
	r = newRig(t, cfg)
	r.at = at.Add(9 * time.Hour)
	if err := r.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer r.Close(t.Context())
	r.idle(t)
	if got := tale(t, team); got != "firing r1 1; resolved r1 1" {
		t.Errorf("got %s", got)
	}
}

// TestHeldForNobody: what is held for a target that the config has no more is
// let go, and the alert with it.
func TestHeldForNobody(t *testing.T) {
	r, _, other := quietRig(t, "hold")
	cfg := r.cfg
	r.pass(2 * time.Hour)
	r.put(t, 1, det("r1", "ann", 0))
	r.idle(t)
	at := r.at
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	cfg.Targets, cfg.Quiet = map[string]Target{"other": webhook(other.URL)}, nil
	r = newRig(t, cfg)
	r.at = at
	if err := r.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer r.Close(t.Context())
	r.pass(time.Hour)
	r.idle(t)
	r.pass(5 * time.Hour)
	until(t, "the alert is dropped", func() bool {
		r.look(false)
		r.Sink.mu.Lock()
		defer r.Sink.mu.Unlock()
		return len(r.st.alerts) == 0
	})
}

// TestSilencedWhileHeld: what is silenced before the quiet time ends is not
// owed any more.
func TestSilencedWhileHeld(t *testing.T) {
	r, team, other := quietRig(t, "hold")
	r.put(t, 1, det("known", "ann", 0)) // 21:00
	r.idle(t)
	r.pass(2 * time.Hour)
	r.idle(t) // "known" ended in the night
	r.put(t, 2, det("ended", "ann", 1), det("goes-on", "ann", 1))
	r.idle(t)
	r.pass(7 * time.Hour) // 06:00: "ended" is over
	r.idle(t)
	r.put(t, 3, det("goes-on", "ann", 2))
	r.idle(t)
	list, err := parseSilences("s.yaml", []byte("- match: [rule =~ .*]\n  until: 2026-11-26T07:15:00Z\n  author: ann\n  comment: c"))
	if err != nil {
		t.Fatal(err)
	}
	r.Sink.mu.Lock()
	r.silences.list = list
	r.Sink.mu.Unlock()
	r.idle(t)
	r.pass(20 * time.Minute) // 06:20
	r.put(t, 4, det("goes-on", "ann", 3))
	r.idle(t)
	r.pass(25 * time.Minute) // 06:45
	r.put(t, 5, det("goes-on", "ann", 4))
	r.idle(t)
	checkTales(t, team, map[string]string{"known": "firing 1; resolved 1"})
	r.pass(27 * time.Minute) // 07:12
	r.put(t, 6, det("goes-on", "ann", 5))
	r.idle(t)
	r.pass(4 * time.Minute) // 07:16
	r.idle(t)
	checkTales(t, team, map[string]string{"known": "firing 1; resolved 1", "goes-on": "firing 5"})
	if len(other.messages(t)) < 5 {
		t.Errorf("the other target got %s", tale(t, other))
	}
}

func TestParseSilences(t *testing.T) {
	good := `
- match: ["rule = r1", 'severity < critical']
  until: 2030-01-31T08:00:00Z
  author: ann
  comment: known, ticket 4711
- match: ["group.author_id = bob"]
  from: 2029-12-31T00:00:00Z
  until: 2030-01-01T00:00:00Z
  author: ben
  comment: "holiday"
`
	list, err := parseSilences("s.yaml", []byte(good))
	if err != nil || len(list) != 2 || list[0].author != "ann" || len(list[0].match) != 2 || list[1].from.Year() != 2029 || list[0].id == list[1].id {
		t.Fatalf("got %+v: %v", list, err)
	}
	for _, c := range []struct{ text, want string }{
		{"match: x", "s.yaml:1:1: write a list of silences"},
		{"- x", "s.yaml:1:3: a silence has the fields"},
		{"- match: []\n  until: 2030-01-01T00:00:00Z\n  author: a\n  comment: c", "s.yaml:1:10: match is a list"},
		{"- match: [rule = a]\n  until: 2030-01-01T00:00:00Z\n  author: a", `needs the field "comment"`},
		{"- match: [rule = a]\n  until: 2030-01-01T00:00:00+01:00\n  author: a\n  comment: c", "s.yaml:2:10: \"2030-01-01T00:00:00+01:00\": write a time in UTC"},
		{"- match: [rule = a]\n  until: tomorrow\n  author: a\n  comment: c", "s.yaml:2:10"},
		{"- match: [writer = a]\n  until: 2030-01-01T00:00:00Z\n  author: a\n  comment: c", "s.yaml:1:11"},
		{"- match: [rule = a]\n  until: 2030-01-01T00:00:00Z\n  from: 2030-01-02T00:00:00Z\n  author: a\n  comment: c", "ends before it begins"},
		{"- match: [rule = a]\n  untli: 2030-01-01T00:00:00Z\n  author: a\n  comment: c", `s.yaml:2:3: a silence has no field "untli"`},
		{"- match: [rule = a]\n  match: [rule = b]\n  until: 2030-01-01T00:00:00Z\n  author: a\n  comment: c", "twice"},
		{"- match: [rule = a]\n  until: 2030-01-01T00:00:00Z\n  author: a\n  comment: ''", "comment is text"},
		{"- : :\n -", "s.yaml: "},
		{strings.Repeat("#", maxSilenceFile+1), "at most"},
	} {
		if _, err := parseSilences("s.yaml", []byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60q: %v, want %q", c.text, err, c.want)
		}
	}
	if list, err := parseSilences("s.yaml", []byte("# none\n")); list != nil || err != nil {
		t.Errorf("an empty file: %v %v", list, err)
	}
}

func FuzzSilences(f *testing.F) {
	f.Add("- match: [rule = a]\n  until: 2030-01-01T00:00:00Z\n  author: a\n  comment: c\n")
	f.Add("- &a [*a]\n- <<: *a")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseSilences("s.yaml", []byte(text))
		for _, s := range list {
			if err == nil && (len(s.match) == 0 || s.until.IsZero() || s.author == "" || s.comment == "") {
				t.Errorf("%q: %+v", text, s)
			}
		}
	})
}

// TestSilence silences an alert that PagerDuty and a webhook were told of: the
// page is acknowledged, nobody is told more until the silence expires, and what
// fires then is told of. The file is taken up while the sink runs, and refused
// whole when it is wrong.
func TestSilence(t *testing.T) {
	hook, pager := newReceiver(t), newPager(t)
	cfg := testConfig(t, map[string]Target{"hook": webhook(hook.URL), "pd": pager.target()})
	cfg.GroupInterval, cfg.ResolveAfter = time.Minute, time.Hour
	cfg.Silences = filepath.Join(t.TempDir(), "silences.yaml")
	r := opened(t, cfg)
	r.put(t, 1, det("r1", "ann", 0))
	r.idle(t)
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(cfg.Silences, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the first message", func() bool { return tale(t, hook) == "firing r1 1" })
	expiry := r.now().Add(30 * time.Minute).UTC().Format(time.RFC3339)
	write("- match: [rule = r1, group.rule_id = r1]\n  until: " + expiry + "\n  author: ann\n  comment: known\n" +
		"- match: [rule =~ quiet.*]\n  until: " + r.now().Add(24*time.Hour).UTC().Format(time.RFC3339) + "\n  author: ann\n  comment: test\n")
	until(t, "the file is taken up", func() bool { return strings.Contains(r.logged(), "silences: in force") })
	until(t, "the page is acknowledged", func() bool { return pager.tale() == "trigger acknowledge" })
	r.put(t, 2, det("r1", "ann", 1), det("quiet-1", "ann", 1))
	r.pass(2 * time.Minute)
	r.idle(t)
	r.put(t, 3, det("r1", "ann", 2))
	r.pass(2 * time.Minute)
	r.idle(t)
	write("- match: [rule = r1\n")
	until(t, "the file is refused", func() bool { return strings.Contains(r.logged(), "the file is refused") })
	r.put(t, 4, det("r1", "ann", 3))
	r.pass(2 * time.Minute)
	r.idle(t)
	if got := tale(t, hook); got != "firing r1 1" {
		t.Errorf("silenced, it got %s", got)
	}
	if got := pager.tale(); got != "trigger acknowledge" {
		t.Errorf("PagerDuty got %s", got)
	}
	r.pass(25 * time.Minute)
	r.idle(t)
	if got := tale(t, hook); got != "firing r1 1; updated r1 4" {
		t.Errorf("after the silence it got %s", got)
	}
	r.pass(2 * time.Hour)
	r.idle(t)
	if got := tale(t, hook); got != "firing r1 1; updated r1 4; resolved r1 4" {
		t.Errorf("at the end it got %s", got)
	}
	if got := pager.tale(); got != "trigger acknowledge trigger resolve" {
		t.Errorf("PagerDuty got %s", got)
	}
	if n := r.suppressed[whySilenced]; n == 0 {
		t.Error("nothing is counted as silenced")
	}
}

// TestSilencesAtStart: a file that is wrong is an error before anything runs.
func TestSilencesAtStart(t *testing.T) {
	cfg := testConfig(t, map[string]Target{"hook": webhook("http://127.0.0.1:1")})
	cfg.Silences = filepath.Join(t.TempDir(), "silences.yaml")
	if err := os.WriteFile(cfg.Silences, []byte("- x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := plan1(t, cfg); err == nil || !strings.Contains(err.Error(), "silences.yaml:1:3") {
		t.Errorf("got %v", err)
	}
}
