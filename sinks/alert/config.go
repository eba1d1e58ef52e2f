package alert

import (
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/visible"
	"github.com/sluicehq/sluice/pipeline"
)

// Config is the sink's configuration.
type Config struct {
	Path          string            `koanf:"path" doc:"folder of the alerts' state and of what is still to be delivered; keep it with the checkpoint"`
	By            []string          `koanf:"by" doc:"columns of detections whose values make a group: one alert for each" example:"[rule_id, author_id]"`
	MinSeverity   string            `koanf:"min_severity" doc:"least severity that alerts" enum:"info,low,medium,high,critical"`
	Rules         []string          `koanf:"rules" doc:"ids of the rules that alert; none for all"`
	Labels        []string          `koanf:"labels" doc:"only detections with one of these labels alert; none for all"`
	Kinds         []string          `koanf:"kinds" doc:"only these kinds of detections alert; none for all" enum:"rule,score,campaign,burst"`
	Shadow        bool              `koanf:"shadow" doc:"let detections of rules in shadow mode alert too"`
	GroupWait     time.Duration     `koanf:"group_wait" doc:"how long a new alert gathers detections before it is sent, from when the first one was read" min:"0s" max:"1h"`
	GroupInterval time.Duration     `koanf:"group_interval" doc:"least time between two messages about one alert" min:"1s" max:"24h"`
	ResolveAfter  time.Duration     `koanf:"resolve_after" doc:"how long a group is quiet before its alert is resolved, and the gap in event time that begins a new alert" min:"1s" max:"168h"`
	MaxGroups     int               `koanf:"max_groups" doc:"alerts that are kept at once; detections of further groups share one alert" min:"1" max:"100000"`
	Examples      int               `koanf:"examples" doc:"posts that an alert shows; the first ones" min:"0" max:"10"`
	Table         string            `koanf:"table" doc:"table that the alert's SQL query reads"`
	GiveUpAfter   time.Duration     `koanf:"give_up_after" doc:"age at which a message that cannot be delivered becomes a dead letter" min:"1s" max:"720h"`
	MaxQueue      int               `koanf:"max_queue" doc:"messages that wait for one target; beyond it the oldest become dead letters" min:"1" max:"100000"`
	Fsync         bool              `koanf:"fsync" doc:"make the state survive a power failure, not only a crash"`
	Targets       map[string]Target `koanf:"targets" required:"true" doc:"who is told, under names of your choice"`
	Throttle      time.Duration     `koanf:"throttle" doc:"least event time between the beginnings of two alerts of one group, and least time before an alert that was resolved is told of as firing again" min:"0s" max:"168h"`
	Routes        []Route           `koanf:"routes" doc:"which detections go to whom; the first that takes a detection has it"`
	Default       *[]string         `koanf:"default" doc:"targets that are told of what no route takes; [] for nobody; needed where there are routes"`
	Times         map[string]Times  `koanf:"times" doc:"times of the week under names of your choice"`
	Quiet         []Quiet           `koanf:"quiet" doc:"quiet hours; the first entry that applies decides"`
	Silences      string            `koanf:"silences" doc:"file of silences; it is read again when it changes, and need not be there" example:"silences.yaml"`
	DeadLetters   *DeadLetters      `koanf:"dead_letters" doc:"an alert about messages that could not be delivered"`
	Share         *Share            `koanf:"share" doc:"have one of several processes tell for all, through topics of Kafka"`
	Heartbeat     *Heartbeat        `koanf:"heartbeat" doc:"a message that comes as long as all is well"`
}

// Route says who is told of some detections, and how they are grouped. What it
// leaves out is as the sink says.
type Route struct {
	Name          string         `koanf:"name" required:"true" doc:"its name, which is in all messages; an alert belongs to it"`
	Match         []Matcher      `koanf:"match" required:"true" doc:"conditions that must all hold" example:"[\"severity >= high\", 'label =~ \"terrorism/.*\"']"`
	Targets       []string       `koanf:"targets" required:"true" doc:"who is told"`
	Continue      bool           `koanf:"continue" doc:"let the routes after it have the detection too"`
	By            []string       `koanf:"by" doc:"columns of detections whose values make a group"`
	GroupWait     *time.Duration `koanf:"group_wait" doc:"as the sink's" min:"0s" max:"1h"`
	GroupInterval *time.Duration `koanf:"group_interval" doc:"as the sink's" min:"1s" max:"24h"`
	ResolveAfter  *time.Duration `koanf:"resolve_after" doc:"as the sink's" min:"1s" max:"168h"`
	Throttle      *time.Duration `koanf:"throttle" doc:"as the sink's" min:"0s" max:"168h"`
	Quiet         []Quiet        `koanf:"quiet" doc:"quiet hours; they take the place of the sink's"`
}

// DeadLetters is the alert about messages that could not be delivered.
type DeadLetters struct {
	Targets      []string      `koanf:"targets" required:"true" doc:"who is told; another way than those that may fail is best"`
	Severity     string        `koanf:"severity" doc:"its severity" enum:"info,low,medium,high,critical"`
	ResolveAfter time.Duration `koanf:"resolve_after" doc:"how long there is none until it is resolved" min:"1s" max:"168h"`
}

// SetDefaults is called by the config loader.
func (d *DeadLetters) SetDefaults() { d.Severity, d.ResolveAfter = "high", time.Hour }

// Heartbeat is a message that is missed when the pipeline stands still.
type Heartbeat struct {
	Targets    []string      `koanf:"targets" required:"true" doc:"who is sent it: somebody who raises an alarm when it stays away; not PagerDuty, which would page"`
	Interval   time.Duration `koanf:"interval" doc:"how often" min:"1s" max:"24h"`
	StallAfter time.Duration `koanf:"stall_after" doc:"how long something may be read and nothing become durable until it stops" min:"1s" max:"24h"`
	MaxIdle    time.Duration `koanf:"max_idle" doc:"how long the source may give nothing until it stops; 0 for ever: use it where posts always come" min:"0s" max:"168h"`
}

// SetDefaults is called by the config loader.
func (h *Heartbeat) SetDefaults() { h.Interval, h.StallAfter = time.Minute, 5*time.Minute }

// Target is one receiver.
type Target struct {
	Webhook      *Webhook      `koanf:"webhook" doc:"any receiver of JSON" oneof:"target"`
	Alertmanager *Alertmanager `koanf:"alertmanager" doc:"a Prometheus Alertmanager, API v2" oneof:"target"`
	Slack        *Slack        `koanf:"slack" doc:"a Slack incoming webhook" oneof:"target"`
	PagerDuty    *PagerDuty    `koanf:"pagerduty" doc:"PagerDuty, Events API v2" oneof:"target"`
	Email        *Email        `koanf:"email" doc:"mailboxes, by SMTP" oneof:"target"`
	MinSeverity  string        `koanf:"min_severity" doc:"least severity that this target is told of" enum:"info,low,medium,high,critical"`
	AllowPrivate bool          `koanf:"allow_private" doc:"let the address be a private or loopback one; without, it is refused when the connection is made"`
	Timeout      time.Duration `koanf:"timeout" doc:"longest time for one request" min:"100ms" max:"5m"`
}

// SetDefaults is called by the config loader.
func (t *Target) SetDefaults() { t.Timeout, t.MinSeverity = 10*time.Second, "info" }

// Webhook is a receiver of the message as JSON.
type Webhook struct {
	URL    pipeline.Secret `koanf:"url" required:"true" doc:"where the message is posted"`
	Secret pipeline.Secret `koanf:"secret" doc:"key of the HMAC-SHA256 in the header Sluice-Signature; none signs nothing"`
	Token  pipeline.Secret `koanf:"token" doc:"bearer token of the header Authorization"`

	Template    string `koanf:"template" doc:"template of the body, see docs/alerts.md; none: the whole message" example:"{\"text\": {{ .rule_id | json }}}"`
	ContentType string `koanf:"content_type" doc:"the header Content-Type of what the template makes; of JSON it is checked"`
}

// SetDefaults is called by the config loader.
func (w *Webhook) SetDefaults() { w.ContentType = "application/json" }

// Alertmanager is one Alertmanager.
type Alertmanager struct {
	URL   pipeline.Secret `koanf:"url" required:"true" doc:"its base address, such as http://alertmanager:9093"`
	Token pipeline.Secret `koanf:"token" doc:"bearer token of the header Authorization"`
}

// Slack is one incoming webhook.
type Slack struct {
	URL pipeline.Secret `koanf:"url" required:"true" doc:"the incoming webhook's address"`
}

// PagerDuty is one integration of a service.
type PagerDuty struct {
	RoutingKey pipeline.Secret `koanf:"routing_key" required:"true" doc:"the integration key of the service"`
	URL        string          `koanf:"url" doc:"the Events API; default: https://events.pagerduty.com/v2/enqueue"`
}

// pagerDutyURL is where events go unless the config says otherwise.
const pagerDutyURL = "https://events.pagerduty.com/v2/enqueue"

// Defaults returns the configuration before a user's file is read over it.
func Defaults() Config {
	return Config{
		Path: "data/alerts", By: []string{"rule_id"}, MinSeverity: "info",
		GroupWait: time.Second, GroupInterval: 5 * time.Minute, ResolveAfter: 15 * time.Minute,
		MaxGroups: 10000, Examples: 3, Table: "detections",
		GiveUpAfter: 24 * time.Hour, MaxQueue: 10000, Fsync: true,
	}
}

// severities are in their order, the least first.
func severities() []string { return []string{"info", "low", "medium", "high", "critical"} }

// severityRank orders severities; 0 for one that is not known.
func severityRank(s string) int { return 1 + slices.Index(severities(), s) }

// Validate checks the fields and how they fit together.
func (c *Config) Validate() error {
	var errs []error
	fail := func(path, format string, args ...any) {
		errs = append(errs, &pipeline.FieldError{Path: path, Err: fmt.Errorf(format, args...)})
	}
	if c.Path == "" {
		fail("path", "empty: write a folder, such as data/alerts")
	}
	if len(c.By) == 0 {
		fail("by", "0 columns: write 1 to 8, such as [rule_id]")
	}
	checkBy("by", c.By, fail)
	if !plainName(c.Table) {
		fail("table", "%q: write a table's name, such as detections or sluice.detections", c.Table)
	}
	if len(c.Targets) == 0 {
		fail("targets", "none: write at least one, such as team: { slack: { url: \"${SLACK_URL}\" } }")
	}
	for name, t := range c.Targets {
		if !plainName(name) {
			fail("targets", "%q: a target's name has letters, digits, '_', '-' and '.' only", name)
		}
		t.validate("targets."+name, fail)
	}
	c.validateTimes(fail)
	c.validateRoutes(fail)
	c.validateQuiet("quiet", c.Quiet, fail)
	c.validateMeta(fail)
	if c.Share != nil {
		c.Share.validate(fail)
	}
	return errors.Join(errs...)
}

func checkBy(path string, by []string, fail func(path, format string, args ...any)) {
	if len(by) > 8 {
		fail(path, "%d columns: write 1 to 8, such as [rule_id]", len(by))
	}
	for i, name := range by {
		if slices.Contains(by[:i], name) {
			fail(fmt.Sprintf("%s.%d", path, i), "%q is there twice", name)
		}
	}
}

// validateTargets checks a list of names of targets.
func (c *Config) validateTargets(path string, list []string, fail func(path, format string, args ...any)) {
	for i, name := range list {
		at := fmt.Sprintf("%s.%d", path, i)
		if _, there := c.Targets[name]; !there {
			fail(at, "no target %q: write one of %s", name, names(c.Targets))
		}
		if slices.Contains(list[:i], name) {
			fail(at, "%q is there twice", name)
		}
	}
}

// maxRoutes bounds the routes: each detection is compared with them.
const maxRoutes = 100

func (c *Config) validateRoutes(fail func(path, format string, args ...any)) {
	if len(c.Routes) > maxRoutes {
		fail("routes", "%d routes: write %d at the most", len(c.Routes), maxRoutes)
	}
	if c.Default != nil {
		c.validateTargets("default", *c.Default, fail)
	} else if len(c.Routes) > 0 {
		fail("default", "missing: write the targets that are told of what no route takes, or [] for nobody")
	}
	seen := map[string]bool{defaultRoute: true, kindMeta: true}
	for i, r := range c.Routes {
		path := fmt.Sprintf("routes.%d", i)
		switch {
		case !plainName(r.Name):
			fail(path+".name", "%q: a route's name has letters, digits, '_', '-' and '.' only", r.Name)
		case seen[r.Name]:
			fail(path+".name", "%q is taken: each route has a name of its own, and %s and %s are the sink's", r.Name, defaultRoute, kindMeta)
		}
		seen[r.Name] = true
		if len(r.Match) == 0 || len(r.Match) > maxMatchers {
			fail(path+".match", "%d conditions: write 1 to %d; what no route takes goes to default", len(r.Match), maxMatchers)
		}
		for j, m := range r.Match {
			if !slices.Contains(routeFields(), m.field) {
				fail(fmt.Sprintf("%s.match.%d", path, j), "routes look at %s; %s is for silences", strings.Join(routeFields(), ", "), m.field)
			}
		}
		if len(r.Targets) == 0 {
			fail(path+".targets", "none: write at least one")
		}
		c.validateTargets(path+".targets", r.Targets, fail)
		checkBy(path+".by", r.By, fail)
		c.validateQuiet(path+".quiet", r.Quiet, fail)
	}
}

func (c *Config) validateMeta(fail func(path, format string, args ...any)) {
	if d := c.DeadLetters; d != nil {
		if len(d.Targets) == 0 {
			fail("dead_letters.targets", "none: write at least one")
		}
		c.validateTargets("dead_letters.targets", d.Targets, fail)
	}
	h := c.Heartbeat
	if h == nil {
		return
	}
	if len(h.Targets) == 0 {
		fail("heartbeat.targets", "none: write at least one")
	}
	c.validateTargets("heartbeat.targets", h.Targets, fail)
	for i, name := range h.Targets {
		if c.Targets[name].PagerDuty != nil {
			fail(fmt.Sprintf("heartbeat.targets.%d", i), "%q is PagerDuty, which would page at each beat: write a webhook, an Alertmanager or a mailbox", name)
		}
	}
}

func (t *Target) validate(path string, fail func(path, format string, args ...any)) {
	check := func(field, raw string) {
		if err := checkURL(raw, t.AllowPrivate); err != nil {
			fail(path+"."+field, "%w", err)
		}
	}
	n := 0
	if t.Webhook != nil {
		n++
		check("webhook.url", t.Webhook.URL.Reveal())
		t.Webhook.validate(path+".webhook", fail)
	}
	if t.Alertmanager != nil {
		n++
		check("alertmanager.url", t.Alertmanager.URL.Reveal())
	}
	if t.Slack != nil {
		n++
		check("slack.url", t.Slack.URL.Reveal())
	}
	if t.PagerDuty != nil {
		n++
		if t.PagerDuty.RoutingKey == "" {
			fail(path+".pagerduty.routing_key", "empty: write the integration key of the service")
		}
		if t.PagerDuty.URL != "" {
			check("pagerduty.url", t.PagerDuty.URL)
		}
	}
	if t.Email != nil {
		n++
		t.Email.validate(path+".email", t.AllowPrivate, fail)
	}
	if n != 1 {
		fail(path, "%d receivers: write one of webhook, alertmanager, slack, pagerduty, email", n)
	}
	if t.Timeout <= 0 {
		fail(path+".timeout", "%s: write at least 100ms", t.Timeout)
	}
}

func (w *Webhook) validate(path string, fail func(path, format string, args ...any)) {
	if w.Template == "" {
		return
	}
	if _, _, err := mime.ParseMediaType(w.ContentType); err != nil {
		fail(path+".content_type", "%q: write a media type, such as application/json or text/plain; charset=utf-8", visible.Text(w.ContentType))
	}
	if _, err := parseBody(w.Template, w.ContentType); err != nil {
		fail(path+".template", "%w", err)
	}
}

// checkURL refuses what is no address of a receiver. Its error does not show
// the address, which may hold a secret.
func checkURL(raw string, allowPrivate bool) error {
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return errors.New("no address (it is not shown, since it may hold a secret): write https://host/path")
	}
	return checkHost(u.Hostname(), allowPrivate)
}

// checkHost refuses a private address where a host is written as one.
func checkHost(host string, allowPrivate bool) error {
	if a, err := netip.ParseAddr(host); err == nil && !allowPrivate && !public(a) {
		return errors.New("the address is a private or loopback one: set allow_private: true for this target, if that is meant")
	}
	return nil
}

func plainName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == ""
}

// resolve returns the config, which is valid, with its paths starting at dir and
// its time zones loaded.
func (c Config) resolve(dir string) (Config, error) {
	if !filepath.IsAbs(c.Path) {
		c.Path = filepath.Join(dir, c.Path)
	}
	if c.Silences != "" && !filepath.IsAbs(c.Silences) {
		c.Silences = filepath.Join(dir, c.Silences)
	}
	c.Times = maps.Clone(c.Times)
	for name, t := range c.Times {
		if err := t.load(); err != nil {
			return c, &pipeline.FieldError{Path: "times." + name + ".zone", Err: err}
		}
		c.Times[name] = t
	}
	return c, nil
}
