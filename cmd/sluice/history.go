package main

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/sluicehq/sluice/pipeline/checkpoint"
	"github.com/sluicehq/sluice/pipeline/engine"
)

const (
	maxAttempts = 16   // that are remembered
	maxChanges  = 1000 // of one of them
	maxErrors   = 100
)

// attempt is one attempt to take up changed files, as /reloads tells of it.
type attempt struct {
	At       time.Time           `json:"at"`
	Why      string              `json:"why"` // SIGHUP, or the files that looked different
	Result   engine.ReloadResult `json:"result"`
	Seconds  float64             `json:"seconds"`
	Manifest checkpoint.Hash     `json:"manifest"` // of what is in force after it
	Changes  []change            `json:"changes,omitempty"`
	Errors   []string            `json:"errors,omitempty"`
	More     int                 `json:"more,omitempty"` // changes or errors that are left out
}

// history remembers the last attempts.
type history struct {
	mu   sync.Mutex
	list []attempt // the newest first
}

func (h *history) add(a attempt) {
	if n := len(a.Changes) - maxChanges; n > 0 {
		a.Changes, a.More = a.Changes[:maxChanges:maxChanges], n
	}
	if n := len(a.Errors) - maxErrors; n > 0 {
		a.Errors, a.More = a.Errors[:maxErrors:maxErrors], a.More+n
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append([]attempt{a}, h.list[:min(len(h.list), maxAttempts-1)]...)
}

// told is what /reloads answers.
func (h *history) told() any {
	h.mu.Lock()
	defer h.mu.Unlock()
	return map[string][]attempt{"reloads": append([]attempt{}, h.list...)}
}

// MarshalJSON writes what has changed and its attributes as one object.
func (c change) MarshalJSON() ([]byte, error) {
	out := map[string]any{"what": c.what}
	if c.warn {
		out["warning"] = true
	}
	for i := 0; i+1 < len(c.attrs); i += 2 {
		out[fmt.Sprint(c.attrs[i])] = c.attrs[i+1]
	}
	return json.Marshal(out)
}
