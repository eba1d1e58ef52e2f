package jetstream

import (
	"bytes"
	"strconv"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/sluicehq/sluice/internal/jsonscan"
)

// identity tells events apart, whichever server they come from.
type identity = xxh3.Uint128

// event is what the source must know of a frame.
type event struct {
	id     identity
	timeUS int64 // 0 when the frame is no event
}

// scanEvent reads the identity and the time of a frame. A frame that is no JSON
// object with a time_us is told by its bytes.
func scanEvent(b []byte) event {
	var e event
	var did, commit []byte
	from, to := 0, 0 // where the number of time_us stands
	ok := members(b, func(key, value []byte, at int) {
		switch string(key) {
		case "did":
			did = value
		case "commit":
			commit = value
		case "time_us":
			if n, err := strconv.ParseInt(string(value), 10, 64); err == nil && n > 0 {
				e.timeUS, from, to = n, at, at+len(value)
			}
		}
	})
	if !ok || e.timeUS == 0 {
		return event{id: xxh3.Hash128(b)}
	}
	var parts [5][]byte
	parts[0] = did
	if commit != nil {
		members(commit, func(key, value []byte, _ int) {
			switch string(key) {
			case "collection":
				parts[1] = value
			case "rkey":
				parts[2] = value
			case "operation":
				parts[3] = value
			case "rev":
				parts[4] = value
			}
		})
	}
	if did == nil || parts[1] == nil || parts[2] == nil || parts[3] == nil || parts[4] == nil {
		e.id = xxh3.Hash128(bytes.Join([][]byte{b[:from], b[to:]}, nil))
		return e
	}
	e.id = xxh3.Hash128(bytes.Join(parts[:], []byte{0})) // JSON text holds no zero byte
	return e
}

// members calls f with each key and value of an object, as they are written, and
// where the value begins. It reports whether b is one object and nothing else.
func members(b []byte, f func(key, value []byte, at int)) bool {
	i := jsonscan.Space(b, 0)
	if i >= len(b) || b[i] != '{' {
		return false
	}
	if i = jsonscan.Space(b, i+1); i < len(b) && b[i] == '}' {
		return jsonscan.Space(b, i+1) == len(b)
	}
	for {
		if i >= len(b) || b[i] != '"' {
			return false
		}
		end, st := jsonscan.String(b, i+1)
		if st.Failed() {
			return false
		}
		key := b[i+1 : end]
		if i = jsonscan.Space(b, end+1); i >= len(b) || b[i] != ':' {
			return false
		}
		i = jsonscan.Space(b, i+1)
		if end, st = jsonscan.Skip(b, i, 1); st.Failed() {
			return false
		}
		f(key, b[i:end], i)
		if i = jsonscan.Space(b, end); i >= len(b) {
			return false
		}
		switch b[i] {
		case ',':
			i = jsonscan.Space(b, i+1)
		case '}':
			return jsonscan.Space(b, i+1) == len(b)
		default:
			return false
		}
	}
}

// window remembers the events of the last span of event time, so that those
// that come again are known, and from which record on they are in the spool.
type window struct {
	span int64 // microseconds
	seen map[identity]struct{}
	list []past // in the order in which they came; the oldest at from
	from int
	last int64 // latest time_us
}

type past struct {
	id     identity
	timeUS int64
	number uint64 // of the record
}

func newWindow(span int64) *window { return &window{span: span, seen: map[identity]struct{}{}} }

// What a server may make us remember.
const (
	maxRemembered = 1 << 19         // events
	maxAhead      = 5 * time.Minute // that a time_us may be before our clock
)

// add takes an event that has become record number; false if it is there.
func (w *window) add(e event, number uint64) bool {
	if _, known := w.seen[e.id]; known {
		return false
	}
	w.seen[e.id] = struct{}{}
	if e.timeUS == 0 || e.timeUS > time.Now().Add(maxAhead).UnixMicro() {
		e.timeUS = w.last // it leaves with what came beside it
	}
	w.last = max(w.last, e.timeUS)
	w.list = append(w.list, past{e.id, e.timeUS, number})
	// The last one always stays: the cursor is its time.
	for n := len(w.list) - 1; w.from < n && (w.list[w.from].timeUS < w.last-w.span || n-w.from >= maxRemembered); {
		delete(w.seen, w.list[w.from].id)
		w.from++
	}
	if w.from > len(w.list)/2 && w.from > 1024 {
		w.list = append(w.list[:0], w.list[w.from:]...)
		w.from = 0
	}
	return true
}

// first is the number of the oldest record that is remembered; false for none.
func (w *window) first() (uint64, bool) {
	if w.from == len(w.list) {
		return 0, false
	}
	return w.list[w.from].number, true
}
