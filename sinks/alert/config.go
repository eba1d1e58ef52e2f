package alert

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

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
	GroupWait     time.Duration     `koanf:"group_wait" doc:"how long a new alert gathers detections before it is sent" min:"0s" max:"1h"`
	GroupInterval time.Duration     `koanf:"group_interval" doc:"least time between two messages about one alert" min:"1s" max:"24h"`
	ResolveAfter  time.Duration     `koanf:"resolve_after" doc:"how long a group is quiet before its alert is resolved, and the gap in event time that begins a new alert" min:"1s" max:"168h"`
	MaxGroups     int               `koanf:"max_groups" doc:"alerts that are kept at once; detections of further groups share one alert" min:"1" max:"100000"`
	Examples      int               `koanf:"examples" doc:"posts that an alert shows; the first ones" min:"0" max:"10"`
	Table         string            `koanf:"table" doc:"table that the alert's SQL query reads"`
	GiveUpAfter   time.Duration     `koanf:"give_up_after" doc:"age at which a message that cannot be delivered becomes a dead letter" min:"1s" max:"720h"`
	MaxQueue      int               `koanf:"max_queue" doc:"messages that wait for one target; beyond it the oldest become dead letters" min:"1" max:"100000"`
	Fsync         bool              `koanf:"fsync" doc:"make the state survive a power failure, not only a crash"`
	Targets       map[string]Target `koanf:"targets" required:"true" doc:"who is told, under names of your choice"`
}

// Target is one receiver.
type Target struct {
	Webhook      *Webhook      `koanf:"webhook" doc:"any receiver of JSON" oneof:"target"`
	Alertmanager *Alertmanager `koanf:"alertmanager" doc:"a Prometheus Alertmanager, API v2" oneof:"target"`
	Slack        *Slack        `koanf:"slack" doc:"a Slack incoming webhook" oneof:"target"`
	PagerDuty    *PagerDuty    `koanf:"pagerduty" doc:"PagerDuty, Events API v2" oneof:"target"`
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
}

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
	if len(c.By) == 0 || len(c.By) > 8 {
		fail("by", "%d columns: write 1 to 8, such as [rule_id]", len(c.By))
	}
	for i, name := range c.By {
		if slices.Contains(c.By[:i], name) {
			fail(fmt.Sprintf("by.%d", i), "%q is there twice", name)
		}
	}
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
	return errors.Join(errs...)
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
	if n != 1 {
		fail(path, "%d receivers: write one of webhook, alertmanager, slack, pagerduty", n)
	}
	if t.Timeout <= 0 {
		fail(path+".timeout", "%s: write at least 100ms", t.Timeout)
	}
}

// checkURL refuses what is no address of a receiver. Its error does not show
// the address, which may hold a secret.
func checkURL(raw string, allowPrivate bool) error {
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return errors.New("no address (it is not shown, since it may hold a secret): write https://host/path")
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil && !allowPrivate && !public(a) {
		return errors.New("the address is a private or loopback one: set allow_private: true for this target, if that is meant")
	}
	return nil
}

func plainName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == ""
}

// resolve returns the config with its folder starting at dir.
func (c Config) resolve(dir string) Config {
	if !filepath.IsAbs(c.Path) {
		c.Path = filepath.Join(dir, c.Path)
	}
	return c
}
