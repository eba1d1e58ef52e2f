package alert

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
)

// Names of the routes that the sink makes by itself.
const (
	defaultRoute = "default" // of what no other takes
	kindMeta     = "meta"    // of the sink's own alerts, and their kind
)

// route is how some detections become alerts, and who is told. Times are in ms.
type route struct {
	name     string
	match    []Matcher
	more     bool // routes after it are asked too
	targets  []string
	quiet    []Quiet
	layout   *layout
	where    []string // the route's and the sink's filters, as SQL
	wait     int64
	interval int64
	resolve  int64
	throttle int64
}

// newRoutes returns the config's routes, and behind them the default one.
func newRoutes(cfg *Config, schema *arrow.Schema) ([]*route, error) {
	var out []*route
	var before []string // what the routes before do not take
	for i, c := range cfg.Routes {
		r := &route{
			name: c.Name, match: c.Match, more: c.Continue, targets: c.Targets, quiet: cfg.Quiet,
			wait: ms(c.GroupWait, cfg.GroupWait), interval: ms(c.GroupInterval, cfg.GroupInterval),
			resolve: ms(c.ResolveAfter, cfg.ResolveAfter), throttle: ms(c.Throttle, cfg.Throttle),
		}
		by, path := cfg.By, "by"
		if len(c.By) > 0 {
			by, path = c.By, pathOf("routes", i, "by")
		}
		if c.Quiet != nil {
			r.quiet = c.Quiet
		}
		own := sqlOf(c.Match)
		r.where = slices.Concat(cfg.conditions(), []string{own}, before)
		if !c.Continue {
			before = append(before, "NOT ("+own+")")
		}
		var err error
		if r.layout, err = newLayout(by, path, schema); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	r := &route{
		name: defaultRoute, targets: sortedKeys(cfg.Targets), quiet: cfg.Quiet,
		wait: cfg.GroupWait.Milliseconds(), interval: cfg.GroupInterval.Milliseconds(),
		resolve: cfg.ResolveAfter.Milliseconds(), throttle: cfg.Throttle.Milliseconds(), where: cfg.conditions(),
	}
	if cfg.Default != nil {
		r.targets = *cfg.Default
	}
	for _, c := range cfg.Routes {
		r.where = append(r.where, "NOT ("+sqlOf(c.Match)+")")
	}
	var err error
	r.layout, err = newLayout(cfg.By, "by", schema)
	return append(out, r), err
}

// metaRoute is that of the sink's own alerts.
func metaRoute(cfg *Config) *route {
	r := &route{name: kindMeta, interval: cfg.GroupInterval.Milliseconds(), resolve: time.Hour.Milliseconds()}
	if d := cfg.DeadLetters; d != nil {
		r.targets, r.resolve = d.Targets, d.ResolveAfter.Milliseconds()
	}
	return r
}

func ms(own *time.Duration, all time.Duration) int64 {
	if own != nil {
		return own.Milliseconds()
	}
	return all.Milliseconds()
}

func sqlOf(match []Matcher) string {
	var out []string
	for _, m := range match {
		out = append(out, m.sql())
	}
	return strings.Join(out, " AND ")
}

func (r *route) takes(d *detection) bool {
	return !slices.ContainsFunc(r.match, func(m Matcher) bool { return !m.takes(d) })
}

// routesOf appends the routes that take a detection to dst. The default one
// takes what no other does.
func (s *Sink) routesOf(dst []*route, d *detection) []*route {
	last := len(s.routes) - 1
	for _, r := range s.routes[:last] {
		if r.takes(d) {
			dst = append(dst, r)
			if !r.more {
				return dst
			}
		}
	}
	if len(dst) == 0 {
		dst = append(dst, s.routes[last])
	}
	return dst
}

// routeOf returns an alert's route: the default one where the config has its
// own no more.
func (s *Sink) routeOf(a *alert) *route {
	if a.Route == kindMeta {
		return s.meta
	}
	for _, r := range s.routes {
		if r.name == a.Route {
			return r
		}
	}
	return s.routes[len(s.routes)-1]
}

// audience are the targets that hear of an alert, in the order of their names:
// those of its route, and, of its end, all that heard of it.
func (s *Sink) audience(a *alert, r *route) (out []*target) {
	for _, t := range s.targets {
		if slices.Contains(a.ToldTo, t.name) || slices.Contains(a.Owed, t.name) ||
			slices.Contains(r.targets, t.name) && severityRank(a.Severity) >= severityRank(t.cfg.MinSeverity) {
			out = append(out, t)
		}
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.SortedFunc(maps.Keys(m), cmp.Compare[string])
}

func pathOf(list string, i int, field string) string { return fmt.Sprintf("%s.%d.%s", list, i, field) }
