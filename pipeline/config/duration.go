package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

var (
	errNoUnit      = errors.New("a duration needs a unit")
	errNotDuration = errors.New("not a duration")
)

// ParseDuration reads a duration as time.ParseDuration does, and days (24
// hours) as well: "2d", "1d12h", "1.5d". A plain 0 needs no unit.
func ParseDuration(s string) (time.Duration, error) {
	day, rest, ok := strings.Cut(s, "d")
	if !ok {
		d, err := time.ParseDuration(s)
		if err == nil {
			return d, nil
		}
		if _, numeric := strconv.ParseFloat(s, 64); numeric == nil {
			return 0, errNoUnit
		}
		return 0, errNotDuration
	}
	days, err := strconv.ParseFloat(day, 64)
	if err != nil || !plainDecimal(day) {
		return 0, errNotDuration
	}
	var hours time.Duration
	if rest != "" {
		if rest[0] < '0' || rest[0] > '9' {
			return 0, errNotDuration
		}
		if hours, err = time.ParseDuration(rest); err != nil {
			return 0, errNotDuration
		}
	}
	f := days * float64(24*time.Hour)
	if strings.HasPrefix(day, "-") {
		hours = -hours
	}
	if total := f + float64(hours); math.Abs(total) >= math.MaxInt64 {
		return 0, errNotDuration
	}
	return time.Duration(f) + hours, nil
}

// plainDecimal refuses what ParseFloat reads beyond digits: 0x1p4, 1e3, Inf.
func plainDecimal(s string) bool {
	return strings.Trim(strings.TrimPrefix(s, "-"), "0123456789.") == "" && s != ""
}

// FormatDuration writes d as short as ParseDuration reads it: 2d, 1m, 1h30m.
func FormatDuration(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}
