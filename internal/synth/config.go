package synth

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Kind says what a row was planted as.
type Kind uint8

// The kinds, in the order in which a block deals them out. Organic is the rest.
const (
	Campaign  Kind = iota // one of many edited copies of one text
	Term                  // a listed term as the list writes it
	Disguise              // a listed term in disguise
	Burst                 // a sudden rate of one author or hashtag
	News                  // reporting or counter-speech that names a term
	Lookalike             // words that contain a term, or a song that many quote
	Organic
	numKinds    = int(Organic) + 1
	plantedKind = int(Organic) // number of planted kinds
)

var kindNames = [numKinds]string{"campaign", "term", "disguise", "burst", "news", "lookalike", "organic"}

// String returns the kind as truth.kind writes it.
func (k Kind) String() string {
	if int(k) < numKinds {
		return kindNames[k]
	}
	return "unknown"
}

// Shares are the parts of all rows that are planted, 0 to 1 each, to a
// millionth; the rest is organic and at least a tenth.
type Shares struct {
	Campaign  float64 `koanf:"campaign" doc:"Part of the rows that are copies within a campaign, 0 to 1."`
	Term      float64 `koanf:"term" doc:"Part of the rows that use a made-up extremist term as it is, 0 to 1."`
	Disguise  float64 `koanf:"disguise" doc:"Part of the rows that use such a term in disguise, 0 to 1."`
	Burst     float64 `koanf:"burst" doc:"Part of the rows that belong to a burst of one author or hashtag, 0 to 1."`
	News      float64 `koanf:"news" doc:"Part of the rows that report on such a term or speak against it, 0 to 1."`
	Lookalike float64 `koanf:"lookalike" doc:"Part of the rows that only look suspicious: words that contain a term, quoted songs, 0 to 1."`
}

func (s *Shares) list() [plantedKind]float64 {
	return [plantedKind]float64{s.Campaign, s.Term, s.Disguise, s.Burst, s.News, s.Lookalike}
}

// Campaigns shapes the planted campaigns.
type Campaigns struct {
	Posts      int `koanf:"posts" doc:"Posts of one campaign."`
	Accounts   int `koanf:"accounts" doc:"Accounts that post a campaign's copies."`
	Concurrent int `koanf:"concurrent" doc:"Campaigns that run at one time, their starts evenly apart."`
}

// Config is all that rows depend on, beside their number.
type Config struct {
	Seed      uint64
	Start     time.Time // event time of row 0, 2010 to 9000
	EventRate int64     // posts per second of event time, 1 to 10,000,000
	Jitter    time.Duration
	Authors   int // accounts in all; the last twentieth are new at Start
	Shares    Shares
	Campaigns Campaigns
	BurstSize int  // posts of one burst
	Truth     bool // write the truth object
}

// DefaultConfig returns the config of the demo.
func DefaultConfig() Config {
	return Config{
		Seed:      1,
		Start:     time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		EventRate: 1000,
		Authors:   500_000,
		Shares: Shares{
			Campaign: 0.02, Term: 0.01, Disguise: 0.005, Burst: 0.005, News: 0.01, Lookalike: 0.01,
		},
		Campaigns: Campaigns{Posts: 200, Accounts: 60, Concurrent: 8},
		BurstSize: 300,
		Truth:     true,
	}
}

// FieldError is a fault in one field of a Config. Field is its key as YAML
// writes it, such as "shares.term".
type FieldError struct {
	Field string
	Err   error
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Err.Error() }
func (e *FieldError) Unwrap() error { return e.Err }

// maxRows bounds row numbers so that no product of one overflows 64 bits.
const maxRows = 1_000_000_000_000

const (
	// langSlots is the number of equal parts that authors are cut into by
	// language; authors come in groups of one for each slot.
	langSlots = 64
	newPart   = 20 // one in newPart accounts is new
)

// Validate returns all faults, joined; each is a *FieldError.
func (c *Config) Validate() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, &FieldError{Field: field, Err: fmt.Errorf(format, args...)})
	}
	inRange := func(field string, v, lo, hi int64) {
		if v < lo || v > hi {
			bad(field, "%d is out of range: use %d to %d", v, lo, hi)
		}
	}
	if y := c.Start.UTC().Year(); y < 2010 || y > 9000 {
		bad("start", "year %d is out of range: use 2010 to 9000", y)
	}
	inRange("event_rate", c.EventRate, 1, 10_000_000)
	if c.Jitter < 0 || c.Jitter > 24*time.Hour {
		bad("jitter", "%s is out of range: use 0s to 24h", c.Jitter)
	}
	inRange("authors", int64(c.Authors), 20_000, 100_000_000)
	inRange("campaigns.posts", int64(c.Campaigns.Posts), 1, 1_000_000)
	inRange("campaigns.concurrent", int64(c.Campaigns.Concurrent), 1, 10_000)
	inRange("burst_size", int64(c.BurstSize), 1, 1_000_000)
	if groups := c.Authors / newPart / langSlots; c.Campaigns.Accounts < 1 || c.Campaigns.Accounts > max(groups, 1) {
		bad("campaigns.accounts", "%d is out of range: with %d authors use 1 to %d", c.Campaigns.Accounts, c.Authors, max(groups, 1))
	}
	sum := 0.0
	for k, s := range c.Shares.list() {
		if math.IsNaN(s) || s < 0 || s > 1 {
			bad("shares."+kindNames[k], "%g is out of range: use 0 to 1", s)
			return errors.Join(errs...)
		}
		sum += s
	}
	if sum > 0.9 {
		bad("shares", "the planted shares add up to %.4g: leave a tenth to organic rows", sum)
	}
	return errors.Join(errs...)
}

// MaxRows returns how many rows the config can make before its event time
// reaches the year 9999 or the count of rows 10^12.
func (c *Config) MaxRows() int64 {
	// Times are written with four digits of the year.
	end := time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC).UnixMilli()
	return min(maxRows, (end-c.Start.UnixMilli())/1000*c.EventRate)
}
