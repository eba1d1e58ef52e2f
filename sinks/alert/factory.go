package alert

import (
	"errors"
	"fmt"
	"strings"
	"time"

	client "github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/internal/kafka"
	"github.com/sluicehq/sluice/pipeline"
)

// Factory returns the factory of the sink.
func Factory() pipeline.Factory {
	return pipeline.SinkFactory(pipeline.Factory{
		Name:    "alert",
		Summary: "tells people of detections: e-mail, Slack, PagerDuty, Alertmanager, webhook",
		Doc: `Detections with equal values in the columns of ` + "`by`" + ` are one alert, until the group is quiet for
resolve_after of event time. An alert is firing, updated at most each group_interval, and resolved;
each message has the figures, posts with the matches marked and an SQL query for the rest.

Alerts and messages are kept in the folder ` + "`path`" + ` before an epoch counts as written, and sent in the
background, again and again until the target takes them: at least once, with an idempotency key that is
the same each time. A target that is slow or down holds up nothing. What is not taken within
give_up_after is put into dead-letters.jsonl in the folder, with an error in the log.

Where several processes share the partitions of a source, each alerts of what it finds itself, unless ` + "`share`" + ` names
a topic: then one process tells for all, and another goes on with the same alerts when that ends.

See docs/alerts.md for the messages and what each target is sent.`,
		Example: "by: [rule_id]\nmin_severity: high\ntargets:\n  team: { slack: { url: \"https://hooks.slack.com/services/T000/B000/XXXX\" } }\n",
		Takes:   []pipeline.Stream{pipeline.Detections},
	}, Defaults, newPlan)
}

type plan struct {
	cfg    Config
	bc     pipeline.BuildContext
	routes []*route
}

// Single implements pipeline.Single: what was sent is kept in one folder, unless
// it is shared.
func (p *plan) Single() bool { return p.cfg.Share == nil }

// Caution implements pipeline.Cautious.
func (p *plan) Caution() string {
	if p.cfg.Share != nil {
		return ""
	}
	return "with several processes each alerts of the detections that it makes: a group that is found by two is told of twice, and when a partition moves its alerts begin anew. " +
		"Set share, so that one process tells for all; or run one process. See docs/alerts.md"
}

func newPlan(bc pipeline.BuildContext, cfg *Config, in pipeline.Schemas) (pipeline.SinkPlan, error) {
	p := &plan{bc: bc}
	var err error
	if p.cfg, err = cfg.resolve(bc.Dir); err != nil {
		return nil, err
	}
	for i, schema := range in {
		if schema != nil && pipeline.Stream(i) != pipeline.Detections {
			return nil, &pipeline.FieldError{Path: "from", Err: fmt.Errorf("alerts are made of detections, not of %s: leave it out", pipeline.Stream(i))}
		}
	}
	schema := in[pipeline.Detections]
	if schema == nil {
		schema = pipeline.DetectionsSchema() // no step emits any: nothing will be written
	}
	if p.routes, err = newRoutes(&p.cfg, schema); err != nil {
		return nil, err
	}
	if p.cfg.Share != nil {
		if err := checkShare(p.cfg.Share); err != nil {
			return nil, err
		}
	}
	if p.cfg.Silences != "" {
		// Not through bc.Files: silences decide when people are told, not what of,
		// so they are no part of what an epoch is run again with.
		if _, err := readSilences(p.cfg.Silences); err != nil {
			return nil, &pipeline.FieldError{Path: "silences", Err: err}
		}
	}
	return p, nil
}

// checkShare has librdkafka look at the settings of both of its clients.
func checkShare(c *Share) error {
	x := &sharing{cfg: c, at: kafka.Connection{Connection: c.Connection}}
	err := x.at.Check(x.settings(true, client.ConfigMap{}), true)
	if err == nil {
		err = x.at.Check(x.settings(false, client.ConfigMap{"group.id": "checked"}), false)
	}
	if fe, ok := errors.AsType[*pipeline.FieldError](err); ok {
		return &pipeline.FieldError{Path: strings.TrimSuffix("share."+fe.Path, "."), Err: fe.Err}
	}
	return err
}

// New returns a sink that delivers when it is opened.
func (p *plan) New() (pipeline.Sink, error) {
	s := &Sink{
		cfg: p.cfg, name: p.bc.Name, pipe: p.bc.Pipeline, log: p.bc.Logger, routes: p.routes, meta: metaRoute(&p.cfg),
		now: time.Now, backoff: exponential, every: 100 * time.Millisecond, drain: 5 * time.Second,
		beats: map[string]int64{}, suppressed: map[string]int64{},
	}
	for _, name := range sortedKeys(p.cfg.Targets) {
		t, err := newTarget(name, p.cfg.Targets[name], &p.cfg)
		if err != nil {
			return nil, fmt.Errorf("target %s: %w", name, err)
		}
		s.targets = append(s.targets, t)
	}
	if p.cfg.Share != nil {
		s.shared = newSharing(s, p.bc.Mem)
	}
	return s, nil
}

// Describe tells how alerts are grouped and who is told.
func (p *plan) Describe() (out []string) {
	for _, r := range p.routes {
		var by []string
		for _, c := range r.layout.by {
			by = append(by, r.layout.schema.Field(c).Name)
		}
		to := strings.Join(r.targets, ", ")
		if to == "" {
			to = "nobody"
		}
		out = append(out, fmt.Sprintf("route %s: one alert for each %s, to %s", r.name, strings.Join(by, ", "), to))
	}
	return out
}
