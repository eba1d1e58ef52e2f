package alert

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // zones are named by the config, wherever it runs
)

// Times is a set of spans of the week in one time zone.
type Times struct {
	Zone  string     `koanf:"zone" required:"true" doc:"time zone" example:"Europe/Paris"`
	Spans []TimeSpan `koanf:"spans" required:"true" doc:"when in the week"`

	zone *time.Location
}

// TimeSpan is the same hours on some days.
type TimeSpan struct {
	Days []string `koanf:"days" doc:"days on which it begins; none for all" enum:"mon,tue,wed,thu,fri,sat,sun"`
	From Clock    `koanf:"from" doc:"when it begins; default: at midnight" example:"22:00"`
	To   Clock    `koanf:"to" doc:"when it ends; a time that is not after from is of the next day; default: at midnight" example:"07:00"`
}

// Clock is a time of day in minutes after midnight, 0 to 1440.
type Clock struct{ minute int }

// UnmarshalText reads hh:mm.
func (c *Clock) UnmarshalText(text []byte) error {
	t, err := time.Parse("15:04", string(text))
	switch {
	case string(text) == "24:00":
		c.minute = 24 * 60
	case err != nil || len(text) != 5:
		return fmt.Errorf("%q is no time of day: write hours and minutes, such as 07:00", cut(string(text), 40))
	default:
		c.minute = t.Hour()*60 + t.Minute()
	}
	return nil
}

func days() []string { return []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} }

func (t *Times) load() (err error) {
	if t.Zone == "" || t.Zone == "Local" { // what is local depends on where it runs
		return errors.New("write a time zone, such as Europe/Paris or UTC")
	}
	if t.zone, err = time.LoadLocation(t.Zone); err != nil {
		return fmt.Errorf("no time zone %q: write one of the IANA list, such as Europe/Paris or UTC", t.Zone)
	}
	return nil
}

// contains tells whether it is one of the times.
func (t *Times) contains(at time.Time) bool {
	at = at.In(t.zone)
	today, minute := int(at.Weekday()), at.Hour()*60+at.Minute()
	return slices.ContainsFunc(t.Spans, func(s TimeSpan) bool {
		on := func(day int) bool { return len(s.Days) == 0 || slices.Contains(s.Days, days()[day%7]) }
		from, to := s.From.minute, s.To.minute
		if from < to {
			return on(today) && minute >= from && minute < to
		}
		return on(today) && minute >= from || on(today+6) && minute < to
	})
}

// Quiet says what becomes of messages at some times.
type Quiet struct {
	During  string   `koanf:"during" required:"true" doc:"a name of times"`
	Below   string   `koanf:"below" doc:"alerts of less severity are quiet; others are told of as always" enum:"low,medium,high,critical"`
	Do      string   `koanf:"do" doc:"hold: what came is told of at the end, resolved alerts too. drop: at the end only alerts that are firing still are" enum:"hold,drop"`
	Targets []string `koanf:"targets" doc:"only these targets are kept quiet; none for all"`
}

// SetDefaults is called by the config loader.
func (q *Quiet) SetDefaults() { q.Below, q.Do = "critical", "hold" }

func (c *Config) validateQuiet(path string, list []Quiet, fail func(path, format string, args ...any)) {
	for i, q := range list {
		at := fmt.Sprintf("%s.%d", path, i)
		if _, there := c.Times[q.During]; !there {
			fail(at+".during", "no times %q: write one of %s", q.During, names(c.Times))
		}
		c.validateTargets(at+".targets", q.Targets, fail)
	}
}

func (c *Config) validateTimes(fail func(path, format string, args ...any)) {
	for name, t := range c.Times {
		if err := t.load(); err != nil {
			fail("times."+name+".zone", "%w", err)
		}
		if len(t.Spans) == 0 {
			fail("times."+name+".spans", "none: write at least one, such as { from: \"22:00\", to: \"07:00\" }")
		}
		for i, s := range t.Spans {
			if s.From.minute == 24*60 {
				fail(fmt.Sprintf("times.%s.spans.%d.from", name, i), "24:00: write 00:00 of the next day")
			}
		}
	}
}

func names[V any](m map[string]V) string {
	if len(m) == 0 {
		return "none; there are none"
	}
	return strings.Join(sortedKeys(m), ", ")
}
