// Package generate makes posts instead of reading them: the synthetic firehose
// of package synth as a source, with planted campaigns, made-up extremist
// terms, disguises, bursts and look-alikes, and the truth of each row in the
// columns truth_kind, truth_id and truth_detail.
package generate

import (
	"errors"
	"fmt"
	"time"

	"github.com/sluicehq/sluice/internal/synth"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/sources/decode"
)

// Config is the source's config. All but Rows, Rate and ChunkRows decide about
// the contents of rows.
type Config struct {
	Seed      uint64          `koanf:"seed" doc:"The same seed makes the same posts."`
	Rows      int64           `koanf:"rows" min:"0" doc:"How many posts to make; 0 for no end."`
	Rate      int64           `koanf:"rate" min:"0" max:"100000000" doc:"Posts a second of the clock; 0 for as many as the pipeline takes."`
	Start     string          `koanf:"start" doc:"Event time of the first post, as 2026-01-01T00:00:00Z."`
	EventRate int64           `koanf:"event_rate" min:"1" max:"10000000" doc:"Posts a second of event time: how fast created_at goes on."`
	Jitter    time.Duration   `koanf:"jitter" min:"0s" max:"24h" doc:"How late a post may be in event time; 0s for strict order."`
	Authors   int             `koanf:"authors" min:"20000" max:"100000000" doc:"Accounts in all. One in 20 is new at the start."`
	Shares    synth.Shares    `koanf:"shares" doc:"Parts of the posts that are planted."`
	Campaigns synth.Campaigns `koanf:"campaigns" doc:"Shape of the planted campaigns."`
	BurstSize int             `koanf:"burst_size" min:"1" max:"1000000" doc:"Posts of one burst."`
	ChunkRows int             `koanf:"chunk_rows" min:"1" max:"65536" doc:"Posts that are made at a time."`
}

// Defaults returns the config with its default values.
func Defaults() Config {
	d := synth.DefaultConfig()
	return Config{
		Seed: d.Seed, Start: d.Start.Format(time.RFC3339), EventRate: d.EventRate, Jitter: d.Jitter,
		Authors: d.Authors, Shares: d.Shares, Campaigns: d.Campaigns, BurstSize: d.BurstSize,
		ChunkRows: 1024,
	}
}

// synth returns the generator's config.
func (c *Config) synth() (synth.Config, error) {
	start, err := time.Parse(time.RFC3339Nano, c.Start)
	if err != nil {
		return synth.Config{}, &pipeline.FieldError{
			Path: "start", Err: fmt.Errorf("%q is not a time: write one such as 2026-01-01T00:00:00Z", c.Start),
		}
	}
	return synth.Config{
		Seed: c.Seed, Start: start.UTC(), EventRate: c.EventRate, Jitter: c.Jitter, Authors: c.Authors,
		Shares: c.Shares, Campaigns: c.Campaigns, BurstSize: c.BurstSize, Truth: true,
	}, nil
}

// Validate checks the config. Errors are *pipeline.FieldError, joined.
func (c *Config) Validate() error {
	var errs []error
	inRange := func(path string, v, lo, hi int64) {
		if v < lo || v > hi {
			errs = append(errs, &pipeline.FieldError{Path: path, Err: fmt.Errorf("%d is out of range: use %d to %d", v, lo, hi)})
		}
	}
	inRange("rate", c.Rate, 0, 100_000_000)
	inRange("chunk_rows", int64(c.ChunkRows), 1, 1<<16)
	sc, err := c.synth()
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	if err := sc.Validate(); err != nil {
		return errors.Join(append(errs, fieldErrors(err)...)...)
	}
	inRange("rows", c.Rows, 0, sc.MaxRows())
	return errors.Join(errs...)
}

// fieldErrors gives synth's errors the type that the config loader knows.
func fieldErrors(err error) []error {
	list := []error{err}
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		list = j.Unwrap()
	}
	out := make([]error, 0, len(list))
	for _, e := range list {
		var fe *synth.FieldError
		if errors.As(e, &fe) {
			e = &pipeline.FieldError{Path: fe.Field, Err: fe.Err}
		}
		out = append(out, e)
	}
	return out
}

// decodeConfig says how the made records are decoded: the plain format and the
// three columns of the truth. Times are those that the config asks for, so no
// row is refused for its time.
func decodeConfig() decode.Config {
	d := decode.Defaults()
	d.MinTime, d.MaxTime = "1970-01-01", "9999-12-31"
	d.Columns = map[string]decode.Column{
		"truth_kind":   {Path: "truth.kind", Type: "string"},
		"truth_id":     {Path: "truth.id", Type: "string"},
		"truth_detail": {Path: "truth.detail", Type: "string"},
	}
	return d
}

// Factory describes the source.
func Factory() pipeline.Factory {
	return pipeline.SourceFactory(pipeline.Factory{
		Name:    "generate",
		Summary: "make synthetic posts in twelve languages, with planted campaigns, terms and bursts",
		Doc: `Makes posts for demos, tests and measurements. A post depends on the seed, the
other settings and its number only, so a run can be repeated, and resumed anywhere.

Some posts are planted, and the columns truth_kind, truth_id and truth_detail say so:

| truth_kind | what | truth_id | truth_detail |
|---|---|---|---|
| campaign | one of many edited copies of one text | campaign | the edit: exact, typo, truncated, ... |
| term | a made-up extremist term | the term | plain |
| disguise | such a term in disguise | the term | fullwidth, homoglyph, leet, ... |
| burst | a sudden rate of one author or hashtag | burst | author, hashtag |
| news | reporting or counter-speech that names a term | the term | news, counter, counter_unlisted |
| lookalike | words that contain a term, songs that many quote | term or song | substring, split, lyrics |
| organic | everything else | | |

The terms are invented words that mean nothing. All domains are reserved ones.
` + "`rate`" + ` paces the delivery by the clock and has no influence on the contents.
The position is the number of the post, and so is source_offset.`,
		Example: "rows: 1000000\nrate: 5000\nshares: { campaign: 0.05 }\n",
	}, Defaults, newPlan)
}
