// Package decode turns raw JSON records into Arrow batches of posts.
//
// A plan is compiled from a format (a preset that says where each column of a
// post lies) and the columns that the config adds or moves. The run half walks
// a record once, guided by that plan: keys that are not wanted are validated
// and skipped, values that are become spans of the record, and only when the
// whole record has proved valid are they copied into column slabs. There is no
// tree and no allocation for a row.
//
// A record is refused whole, with a reason, and never affects its neighbours:
// see the Reason constants. What counts as JSON is said in package jsonscan.
package decode

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/pipeline"
)

// Config says how records are decoded. Every source embeds it, so its fields
// stand at the source's own level.
type Config struct {
	Format     string            `koanf:"format" enum:"plain,jetstream,mastodon,twitter_v1,twitter_v2,custom" doc:"What a record looks like: plain, jetstream, mastodon, twitter_v1, twitter_v2, or custom (only what columns says)."`
	Columns    map[string]Column `koanf:"columns" doc:"Columns by name: where a standard column is found instead, or a further typed column."`
	MaxRecord  pipeline.ByteSize `koanf:"max_record" doc:"A longer record is rejected as too_large; at most 64MiB."`
	TimeFormat string            `koanf:"time_format" enum:"auto,rfc3339,unix,unix_ms,unix_us,twitter" doc:"How times are written: auto, rfc3339, unix, unix_ms, unix_us, twitter (Mon Jan 02 15:04:05 -0700 2006)."`
	MinTime    string            `koanf:"min_time" doc:"A post created before it is rejected as time_out_of_range: a date or an RFC 3339 time."`
	MaxTime    string            `koanf:"max_time" doc:"A post created at it or later is rejected as time_out_of_range: a date or an RFC 3339 time."`
}

// Column says where a column's value is found.
type Column struct {
	Path     string `koanf:"path" doc:"Where the value is: a.b, a[0], a[*].b for all elements, [\"a.b\"] for a key with such characters; alternatives as x | y."`
	Value    string `koanf:"value" doc:"A constant instead of a path; for columns of type string."`
	Type     string `koanf:"type" enum:"string,int,float,bool,timestamp,strings" doc:"string, int, float, bool, timestamp or strings; a standard column has its own."`
	Required bool   `koanf:"required" doc:"Reject a record that lacks the value."`
}

// Times returns min_time and max_time of a config that is valid, in Unix
// milliseconds, half open.
func (c Config) Times() (from, to int64) {
	from, _ = configTime(c.MinTime)
	to, _ = configTime(c.MaxTime)
	return from, to
}

// Defaults returns the config with its default values.
func Defaults() Config {
	return Config{
		Format: "plain", MaxRecord: 1 << 20, TimeFormat: "auto",
		MinTime: "2000-01-01", MaxTime: "2100-01-01",
	}
}

// maxRecordLimit bounds MaxRecord: a batch's strings must fit 31-bit offsets.
const maxRecordLimit = 64 << 20

// Validate checks the config without planning it.
func (c Config) Validate() error {
	_, err := NewPlan(c, memory.DefaultAllocator)
	return err
}

// NewPlan checks cfg and compiles it. Batches are allocated from mem. Errors
// are *pipeline.FieldError, joined if there are several; their paths are keys
// of Config.
func NewPlan(cfg Config, mem memory.Allocator) (pipeline.DecodePlan, error) {
	var errs []error
	fail := func(path, format string, args ...any) {
		errs = append(errs, &pipeline.FieldError{Path: path, Err: fmt.Errorf(format, args...)})
	}
	pre, ok := presetByName(cfg.Format)
	if !ok {
		fail("format", "unknown format %q: use one of %s", cfg.Format, strings.Join(presetNames(), ", "))
	}
	if cfg.MaxRecord < 2 || cfg.MaxRecord > maxRecordLimit {
		fail("max_record", "%s is out of range: use 2 to 64MiB", cfg.MaxRecord)
	}
	times := timeParser{format: cfg.TimeFormat}
	if !slices.Contains(timeFormats, cfg.TimeFormat) {
		fail("time_format", "unknown time format %q: use one of %s", cfg.TimeFormat, strings.Join(timeFormats, ", "))
	}
	lo, err := configTime(cfg.MinTime)
	if err != nil {
		fail("min_time", "%w", err)
	}
	hi, err := configTime(cfg.MaxTime)
	if err != nil {
		fail("max_time", "%w", err)
	} else if lo >= hi {
		fail("max_time", "%s is not after min_time %s", cfg.MaxTime, cfg.MinTime)
	}
	if errs != nil {
		return nil, errors.Join(errs...)
	}
	p := &plan{mem: mem, preset: pre, times: times, minTime: lo, maxTime: hi, maxRecord: int(cfg.MaxRecord)}
	if err := p.compile(cfg); err != nil {
		return nil, err
	}
	return p, nil
}

// configTime reads a date or an RFC 3339 time as Unix milliseconds.
func configTime(s string) (int64, error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339Nano} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UnixMilli(), nil
		}
	}
	return 0, fmt.Errorf("%q is not a time: write a date such as 2024-01-31, or 2024-01-31T12:00:00Z", s)
}
