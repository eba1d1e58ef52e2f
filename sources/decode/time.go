package decode

import (
	"encoding/binary"
	"time"
)

var timeFormats = []string{"auto", "rfc3339", "unix", "unix_ms", "unix_us", "twitter"}

// timeParser reads times in the configured format. The zero cache is valid.
type timeParser struct {
	format string

	// The last date seen ("2006-01-02") and its Unix time: posts that follow
	// each other are mostly of one day.
	date    [10]byte
	dateMs  int64
	dateSet bool
}

// parse reads a time as Unix milliseconds, rounded down. Numeric says that the
// value was a JSON number.
func (t *timeParser) parse(s []byte, numeric bool) (ms int64, ok bool) {
	switch t.format {
	case "unix", "unix_ms", "unix_us":
		return unixTime(s, t.format)
	case "rfc3339":
		if numeric {
			return 0, false
		}
		return t.rfc3339(s)
	case "twitter":
		if numeric {
			return 0, false
		}
		return twitterTime(s)
	}
	if numeric || len(s) > 0 && s[0]-'0' <= 9 && allDigits(s) {
		return unixTime(s, "auto")
	}
	if len(s) > 0 && s[0]-'0' <= 9 {
		return t.rfc3339(s)
	}
	return twitterTime(s)
}

func allDigits(s []byte) bool {
	for _, c := range s {
		if c-'0' > 9 {
			return false
		}
	}
	return true
}

// unixTime reads a count since 1970 in the unit; auto tells the unit by the
// size: seconds until the year 5138, then milliseconds, microseconds,
// nanoseconds. Fractions are dropped.
func unixTime(s []byte, unit string) (int64, bool) {
	for i, c := range s {
		if c == '.' {
			if i == 0 || i == len(s)-1 || !allDigits(s[i+1:]) {
				return 0, false
			}
			frac := int64(0)
			if unit == "unix" || unit == "auto" && i <= 11 {
				for k, f := 1, int64(100); k <= 3 && i+k < len(s); k, f = k+1, f/10 {
					frac += int64(s[i+k]-'0') * f
				}
			}
			ms, ok := unixTime(s[:i], unit)
			return ms + frac, ok && s[0] != '-'
		}
	}
	n, ok := parseInt(s)
	if !ok {
		return 0, false
	}
	size := max(n, -n)
	switch {
	case unit == "unix_ms" || unit == "auto" && size >= 1e11 && size < 1e14:
		return n, true
	case unit == "unix_us" || unit == "auto" && size >= 1e14 && size < 1e17:
		return floorDiv(n, 1000), true
	case unit == "auto" && size >= 1e17:
		return floorDiv(n, 1e6), true
	case size > 1e15 || size < 0:
		return 0, false
	}
	return n * 1000, true
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// rfc3339 reads 2006-01-02T15:04:05[.fraction](Z|+hh:mm). As in ISO 8601 a
// space may stand for the T; a time without zone is taken as UTC, a date as its
// beginning.
func (t *timeParser) rfc3339(s []byte) (int64, bool) {
	if len(s) == len(time.DateOnly) && s[4] == '-' && s[7] == '-' {
		ok := t.setDate(s)
		return t.dateMs, ok
	}
	if len(s) < 19 || s[4] != '-' || s[7] != '-' || s[10]|0x20 != 't' && s[10] != ' ' || s[13] != ':' || s[16] != ':' {
		return 0, false
	}
	hour, ok1 := twoDigits(s[11:])
	minute, ok2 := twoDigits(s[14:])
	sec, ok3 := twoDigits(s[17:])
	if !ok1 || !ok2 || !ok3 || hour > 23 || minute > 59 || sec > 60 {
		return 0, false
	}
	if !t.dateSet || string(t.date[:]) != string(s[:10]) {
		if !t.setDate(s) {
			return 0, false
		}
	}
	// A leap second counts as the one before it, so that time does not go back.
	ms := t.dateMs + int64(hour*3600+minute*60+min(sec, 59))*1000
	rest := s[19:]
	if len(rest) > 1 && (rest[0] == '.' || rest[0] == ',') {
		n, scale := 1, int64(100)
		for ; n < len(rest) && rest[n]-'0' <= 9; n++ {
			ms += int64(rest[n]-'0') * scale
			scale /= 10
		}
		if n == 1 {
			return 0, false
		}
		rest = rest[n:]
	}
	offset, ok := zone(rest)
	return ms - offset, ok
}

// sameDay reads 2006-01-02T15:04:05Z if its date is that of the time before it:
// the fast path of parse, for the formats that take it. The eight bytes of the
// time of day are read as one word, in which digits and colons become their
// values and zeros by exclusive or with "00:00:00".
func (t *timeParser) sameDay(s []byte) (int64, bool) {
	if len(s) != 20 || !t.dateSet || s[10] != 'T' || s[19] != 'Z' || string(s[:10]) != string(t.date[:]) {
		return 0, false
	}
	x := binary.LittleEndian.Uint64(s[11:19]) ^ 0x30303a30303a3030
	const colons, tooBig = 0x0000ff0000ff0000, 0x7676767676767676 // 10 and more carry into the top bit
	if x&colons != 0 || (x|(x+tooBig))&0x8080808080808080 != 0 {
		return 0, false
	}
	x = x*10 + x>>8 // every even pair of bytes: its two digits as a number
	hour, minute, sec := int64(x&0xff), int64(x>>24&0xff), int64(x>>48&0xff)
	if hour > 23 || minute > 59 || sec > 59 {
		return 0, false
	}
	return t.dateMs + (hour*3600+minute*60+sec)*1000, true
}

// setDate reads the date that s begins with into the cache.
func (t *timeParser) setDate(s []byte) bool {
	hi, ok1 := twoDigits(s)
	lo, ok2 := twoDigits(s[2:])
	month, ok3 := twoDigits(s[5:])
	day, ok4 := twoDigits(s[8:])
	if !ok1 || !ok2 || !ok3 || !ok4 || month < 1 || month > 12 {
		return false
	}
	d := time.Date(hi*100+lo, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	if d.Day() != day {
		return false
	}
	copy(t.date[:], s)
	t.dateMs, t.dateSet = d.UnixMilli(), true
	return true
}

// zone reads Z, +hh:mm, +hhmm or nothing as milliseconds east of UTC.
func zone(s []byte) (int64, bool) {
	if len(s) == 0 || len(s) == 1 && s[0]|0x20 == 'z' {
		return 0, true
	}
	if len(s) == 6 && s[3] == ':' {
		s = []byte{s[0], s[1], s[2], s[4], s[5]}
	}
	if len(s) != 5 || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	hour, ok1 := twoDigits(s[1:])
	minute, ok2 := twoDigits(s[3:])
	if !ok1 || !ok2 || hour > 23 || minute > 59 {
		return 0, false
	}
	ms := int64(hour*60+minute) * 60_000
	if s[0] == '-' {
		ms = -ms
	}
	return ms, true
}

func twoDigits(s []byte) (int, bool) {
	a, b := s[0]-'0', s[1]-'0'
	return int(a)*10 + int(b), a <= 9 && b <= 9
}

// twitterTime reads Twitter's v1.1 format, Mon Jan 02 15:04:05 -0700 2006.
func twitterTime(s []byte) (int64, bool) {
	if len(s) != 30 {
		return 0, false
	}
	at, err := time.Parse(time.RubyDate, string(s))
	return at.UnixMilli(), err == nil
}

// parseInt reads a decimal integer exactly; false if it is none or does not
// fit 64 bits.
func parseInt(s []byte) (int64, bool) {
	neg := len(s) > 0 && s[0] == '-'
	if neg {
		s = s[1:]
	}
	if len(s) == 0 || len(s) > 19 {
		return 0, false
	}
	var n uint64 // 19 digits fit
	for _, c := range s {
		d := c - '0'
		if d > 9 {
			return 0, false
		}
		n = n*10 + uint64(d)
	}
	if neg {
		return -int64(n), n <= 1<<63
	}
	return int64(n), n < 1<<63
}
