package alert

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice/pipeline"
)

// slacker is a fake of a Slack incoming webhook: it checks messages as Slack
// does, takes one at a time, and answers "ok".
type slacker struct {
	*httptest.Server
	mu     sync.Mutex
	posts  []slackMessage
	down   bool
	breach string
}

func newSlacker(t testing.TB) *slacker {
	s := &slacker{}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *slacker) target() Target {
	return Target{Slack: &Slack{URL: pipeline.Secret(s.URL + "/services/T/B/x")}, AllowPrivate: true, Timeout: 5 * time.Second, MinSeverity: "info"}
}

func (s *slacker) serve(w http.ResponseWriter, r *http.Request) {
	var m slackMessage
	body, _ := io.ReadAll(r.Body)
	err := json.Unmarshal(body, &m)
	s.mu.Lock()
	defer s.mu.Unlock()
	refuse := func(what string) {
		s.breach = what + ": " + cut(string(body), 500)
		http.Error(w, what, http.StatusBadRequest)
	}
	switch {
	case s.down:
		w.WriteHeader(http.StatusInternalServerError)
	case err != nil || r.Header.Get("Content-Type") != "application/json":
		refuse("invalid_payload")
	case m.Text == "" || len(m.Blocks) == 0 || len(m.Blocks) > 50:
		refuse("no_text")
	case slices.ContainsFunc(m.Blocks, invalidBlock):
		refuse("invalid_blocks")
	default:
		s.posts = append(s.posts, m)
		fmt.Fprint(w, "ok")
	}
}

// invalidBlock checks the bounds of Block Kit.
func invalidBlock(b slackBlock) bool {
	switch b.Type {
	case "header":
		return b.Text == nil || b.Text.Type != "plain_text" || b.Text.Text == "" || len(b.Text.Text) > 150
	case "rich_text":
		return len(b.Elements) == 0 || slices.ContainsFunc(b.Elements, func(e slackElement) bool {
			known := []string{"rich_text_section", "rich_text_quote", "rich_text_preformatted", "rich_text_list"}
			return !slices.Contains(known, e.Type) || len(e.Elements) == 0 || slices.ContainsFunc(e.Elements, func(e slackElement) bool {
				return e.Text == "" || len(e.Text) > 3000 || e.Type != "text" && (e.Type != "link" || e.URL == "")
			})
		})
	}
	return true
}

func (s *slacker) statuses() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]int{}
	for _, m := range s.posts {
		status, _, _ := strings.Cut(m.Text, " ")
		out[status]++
	}
	if s.breach != "" {
		out[s.breach]++
	}
	return out
}

// TestManyGroupsEverywhere is 10,000 detections in 50 groups, told to every kind
// of target: 50 alerts at each, all resolved at the end.
func TestManyGroupsEverywhere(t *testing.T) {
	hook, slack, page, post := newReceiver(t), newSlacker(t), newPager(t), newSMTP(t, true, false)
	cfg := testConfig(t, map[string]Target{"hook": webhook(hook.URL), "slack": slack.target(), "page": page.target(), "mail": mailTarget(post, nil)})
	cfg.By = []string{"rule_id", "labels"}
	r := openedMail(t, cfg, post)
	for n := range 10 {
		var rows []row
		for i := range 1000 {
			rows = append(rows, det(fmt.Sprintf("r%d", i%50), fmt.Sprintf("author-%d", i), n, "text", hostile, "labels", []string{hostile}))
		}
		r.put(t, n, rows...)
	}
	r.idle(t)
	r.pass(cfg.GroupInterval)
	r.idle(t)
	r.pass(cfg.ResolveAfter)
	r.idle(t)
	count := int64(0)
	for _, m := range hook.messages(t) {
		if m.Status == "resolved" {
			count += m.Count
		}
	}
	if count != 10000 {
		t.Errorf("the webhook knows of %d detections", count)
	}
	if s := slack.statuses(); s["FIRING"] != 50 || s["RESOLVED"] != 50 || len(s) > 3 {
		t.Errorf("Slack got %v", s)
	}
	open := 0
	for key, state := range page.incidents {
		if state != "resolved" || page.opened[key] != 1 {
			open++
		}
	}
	if len(page.incidents) != 50 || open != 0 || page.breach != "" {
		t.Errorf("PagerDuty has %d incidents, %d open or opened twice; %s", len(page.incidents), open, page.breach)
	}
	mails := map[string]int{}
	for _, l := range post.letters(t) {
		mails[l.Header.Get("X-Sluice-Status")]++
	}
	if mails["firing"] != 50 || mails["resolved"] != 50 {
		t.Errorf("mails %v", mails)
	}
	for id, n := range post.ids {
		if n != 1 {
			t.Errorf("%s came %d times", id, n)
		}
	}
}

// TestDownEverywhere: receivers of every kind are down for an hour. Then each is
// told how things stand: an alert that ended meanwhile began and ended, one that
// goes on has all its detections.
func TestDownEverywhere(t *testing.T) {
	slack, page, post := newSlacker(t), newPager(t), newSMTP(t, false, false)
	setDown := func(down bool) {
		slack.mu.Lock()
		slack.down = down
		slack.mu.Unlock()
		page.mu.Lock()
		page.down = down
		page.mu.Unlock()
		post.setReply(func(verb, _ string) string {
			if down && verb == "CONNECT" {
				return "421 4.3.0 down"
			}
			return ""
		})
	}
	setDown(true)
	cfg := testConfig(t, map[string]Target{"slack": slack.target(), "page": page.target(), "mail": mailTarget(post, nil)})
	cfg.GroupInterval, cfg.ResolveAfter = time.Minute, 10*time.Minute
	r := openedMail(t, cfg, post)
	r.put(t, 0, det("short", "ann", 0))
	for n := range 60 {
		r.put(t, n+1, det("long", "ann", 60*n))
		r.look(false)
		r.pass(time.Minute)
		time.Sleep(time.Millisecond) // attempts go by in real time
	}
	setDown(false)
	r.idle(t)
	if s := slack.statuses(); s["FIRING"] != 2 || s["RESOLVED"] != 1 || s["UPDATED"] < 1 || s["UPDATED"] > 12 {
		t.Errorf("Slack got %v", s)
	}
	slack.mu.Lock()
	last := ""
	for _, m := range slack.posts {
		if strings.Contains(m.Text, "long") {
			last = m.Text
		}
	}
	slack.mu.Unlock()
	if !strings.Contains(last, "60 detections") {
		t.Errorf("Slack was told last: %s", last)
	}
	states := map[string]int{}
	page.mu.Lock()
	for _, s := range page.incidents {
		states[s]++
	}
	page.mu.Unlock()
	if states["triggered"] != 1 || states["resolved"] != 1 || len(states) != 2 {
		t.Errorf("PagerDuty has %v", states)
	}
	mails := map[string]int{}
	for _, l := range post.letters(t) {
		mails[l.Header.Get("X-Sluice-Status")]++
	}
	if mails["firing"] != 2 || mails["resolved"] != 1 || mails["updated"] < 1 || mails["updated"] > 12 {
		t.Errorf("mails %v", mails)
	}
	if _, err := os.Stat(r.deadPath()); err == nil {
		t.Error("there are dead letters")
	}
}
