package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sluicehq/sluice/pipeline/engine"
)

// rates smooths a counter's speed over the last few seconds.
type rates struct {
	begun time.Time
	times []time.Time
	marks []int64
}

// rate takes the counter's value now and returns its increase per second.
func (r *rates) rate(v int64) float64 {
	now := time.Now()
	if len(r.times) == 0 {
		r.times, r.marks = []time.Time{r.begun}, []int64{0}
	}
	r.times, r.marks = append(r.times, now), append(r.marks, v)
	for len(r.times) > 2 && now.Sub(r.times[0]) > 5*time.Second {
		r.times, r.marks = r.times[1:], r.marks[1:]
	}
	return float64(v-r.marks[0]) / max(now.Sub(r.times[0]).Seconds(), 1e-3)
}

// bar draws the progress line, at most width columns wide.
func bar(width int, t engine.Totals, rate float64, left, total int64, unit string, known bool) string {
	figures := fmt.Sprintf(" %s posts  %s/s  %s detections", group(t.Posts), group(int64(rate)), group(t.Detections))
	if t.Rejected > 0 {
		figures += fmt.Sprintf("  %s rejected", group(t.Rejected))
	}
	if !known || total <= 0 {
		return clip(figures[1:]+lagText(left, total, unit, known), width)
	}
	room := min(40, width-utf8.RuneCountInString(figures)-7)
	if room < 5 {
		return clip(figures[1:], width)
	}
	part := float64(total-left) / float64(total)
	full := int(part * float64(room))
	return clip(fmt.Sprintf("%s%s %3.0f%%%s", strings.Repeat("█", full), strings.Repeat("░", room-full), 100*part, figures), width)
}

func lagText(left, total int64, unit string, known bool) string {
	if !known {
		return ""
	}
	if unit == "bytes" {
		return fmt.Sprintf(", %.1f MB left", float64(left)/1e6)
	}
	return fmt.Sprintf(", %s %s left", group(left), unit)
}

func clip(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:width-1]) + "…"
}

// group writes n with a comma at each thousand.
func group(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
