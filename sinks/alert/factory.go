package alert

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sluicehq/sluice/pipeline"
)

// Factory returns the factory of the sink.
func Factory() pipeline.Factory {
	return pipeline.SinkFactory(pipeline.Factory{
		Name:    "alert",
		Summary: "tells people of detections: webhook, Alertmanager, Slack, PagerDuty",
		Doc: `Detections with equal values in the columns of ` + "`by`" + ` are one alert, until the group is quiet for
resolve_after of event time. An alert is firing, updated at most each group_interval, and resolved;
each message has the figures, posts with the matches marked and an SQL query for the rest.

Alerts and messages are kept in the folder ` + "`path`" + ` before an epoch counts as written, and sent in the
background, again and again until the target takes them: at least once, with an idempotency key that is
the same each time. A target that is slow or down holds up nothing. What is not taken within
give_up_after is put into dead-letters.jsonl in the folder, with an error in the log.

See docs/alerts.md for the messages and what each target is sent.`,
		Example: "by: [rule_id]\nmin_severity: high\ntargets:\n  team: { slack: { url: \"https://hooks.slack.com/services/T000/B000/XXXX\" } }\n",
		Takes:   []pipeline.Stream{pipeline.Detections},
	}, Defaults, newPlan)
}

type plan struct {
	cfg    Config
	bc     pipeline.BuildContext
	layout *layout
}

func newPlan(bc pipeline.BuildContext, cfg *Config, in pipeline.Schemas) (pipeline.SinkPlan, error) {
	p := &plan{cfg: cfg.resolve(bc.Dir), bc: bc}
	for i, schema := range in {
		if schema != nil && pipeline.Stream(i) != pipeline.Detections {
			return nil, &pipeline.FieldError{Path: "from", Err: fmt.Errorf("alerts are made of detections, not of %s: leave it out", pipeline.Stream(i))}
		}
	}
	schema := in[pipeline.Detections]
	if schema == nil {
		schema = pipeline.DetectionsSchema() // no step emits any: nothing will be written
	}
	var err error
	p.layout, err = newLayout(&p.cfg, schema)
	return p, err
}

// New returns a sink that delivers when it is opened.
func (p *plan) New() (pipeline.Sink, error) {
	s := &Sink{
		cfg: p.cfg, name: p.bc.Name, log: p.bc.Logger, layout: p.layout,
		now: time.Now, backoff: exponential, every: 200 * time.Millisecond, drain: 5 * time.Second,
	}
	for _, name := range slices.Sorted(maps.Keys(p.cfg.Targets)) {
		s.targets = append(s.targets, newTarget(name, p.cfg.Targets[name], &p.cfg))
	}
	return s, nil
}

// Describe tells how alerts are grouped and who is told.
func (p *plan) Describe() []string {
	return []string{
		"one alert for each " + strings.Join(p.cfg.By, ", "),
		"targets: " + strings.Join(slices.Sorted(maps.Keys(p.cfg.Targets)), ", "),
	}
}
