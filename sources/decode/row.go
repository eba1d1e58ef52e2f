package decode

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/sluicehq/sluice/internal/jsonscan"
	"github.com/sluicehq/sluice/pipeline"
)

// Reason says why a record was rejected: the reason column of the rejected
// stream, and a label of metrics.
type Reason string

// The reasons of the decode step.
const (
	InvalidJSON    Reason = "invalid_json"
	InvalidUTF8    Reason = "invalid_utf8"
	Truncated      Reason = "truncated" // the input ends in the middle of the record
	TooLarge       Reason = "too_large" // longer than max_record
	MissingID      Reason = "missing_id"
	MissingTime    Reason = "missing_time"
	MissingField   Reason = "missing_field" // a column that the config calls required
	WrongType      Reason = "wrong_type"
	TimeOutOfRange Reason = "time_out_of_range"
	NotAPost       Reason = "not_a_post" // a valid event of another kind; its bytes are not kept
)

// row is one record on its way to columns: spans of the record, resolved to
// one value a column and checked. Nothing is appended before all is well.
type row struct {
	p     *plan
	w     walker
	times timeParser

	nums    []int64 // by scalar column: integers, times, bits of floats
	lists   [][]item
	listed  bool     // a list has elements, or may have
	joined  [][]item // memory for lists that are put together
	scratch []byte   // text of values of kind made
	html    []byte   // content that is being stripped, and the links in it
	links   []span
	key     []byte // text that is compared
	inner   []byte // a record that was a string within the record
	temp    []byte // unescaped text of the value that is looked at

	at      int // where in the record something is wrong; -1 nowhere special
	what    string
	problem string
}

func (r *row) init(p *plan) {
	r.p, r.times = p, p.times
	r.w.slots = make([]value, p.slots+1)
	r.w.lists = make([]list, p.listSlots)
	r.w.hints = make([]hint, p.hints)
	r.nums = make([]int64, len(p.scalars))
	r.lists, r.joined = make([][]item, len(p.lists)), make([][]item, len(p.lists))
}

// decode reads a record. It returns "" when the row is good to append.
func (r *row) decode(rec []byte, ended bool) Reason {
	if len(rec) > r.p.maxRecord {
		return r.reject(TooLarge, -1, "", "the record is longer than max_record "+pipeline.ByteSize(r.p.maxRecord).String())
	}
	if at, st := r.w.walk(r.p.root, rec); st != jsonscan.OK {
		return r.rejectStatus(at, st, ended)
	}
	if w := &r.w; w.mismatch != nil && (r.p.preset.strict || w.mismatch == r.p.root) {
		want := "an object"
		if w.mismatch.isArray {
			want = "an array"
		}
		return r.reject(WrongType, w.wrongAt, w.mismatch.path, "this is not "+want)
	}
	r.scratch = r.scratch[:0]
	r.resolve()
	if finish := r.p.preset.finish; finish != nil {
		if reason := finish(r); reason != "" {
			return reason
		}
	}
	return r.check()
}

// resolve chooses among the alternatives of each column.
func (r *row) resolve() {
	slots := r.w.slots
	for _, f := range r.p.fallbacks {
		if slots[f.column].kind == absent {
			slots[f.column] = slots[f.slot]
		}
	}
	r.pickLists()
}

func (r *row) rejectStatus(at int, st jsonscan.Status, ended bool) Reason {
	switch {
	case st == jsonscan.BadUTF8:
		return r.reject(InvalidUTF8, at, "", st.String())
	case st == jsonscan.Truncated && !ended:
		return r.reject(Truncated, at, "", "the input ends in the middle of the record")
	}
	return r.reject(InvalidJSON, at, "", st.String())
}

// pickLists chooses the alternative of each list column, or joins them.
func (r *row) pickLists() {
	if !r.w.dirty {
		if r.listed {
			clear(r.lists)
			r.listed = false
		}
		return
	}
	r.listed = true
	for i := range r.p.lists {
		c := &r.p.lists[i]
		r.lists[i], r.joined[i] = nil, r.joined[i][:0]
		for _, l := range c.lists {
			switch {
			case !r.w.lists[l].seen:
				continue
			case !c.all:
				r.lists[i] = r.w.lists[l].items
			default:
				r.joined[i] = append(r.joined[i], r.w.lists[l].items...)
				r.lists[i] = r.joined[i]
				continue
			}
			break
		}
	}
}

// add adds an element to standard list i.
func (r *row) add(i int, v value) {
	if len(r.joined[i]) < len(r.lists[i]) || len(r.lists[i]) == 0 {
		r.joined[i] = append(r.joined[i][:0], r.lists[i]...)
	}
	r.joined[i] = append(r.joined[i], item{value: v})
	r.lists[i] = r.joined[i]
	r.listed = true
}

// check converts and checks all values.
func (r *row) check() Reason {
	slots := r.w.slots[:len(r.p.fine)]
	for i, fine := range r.p.fine {
		if fine>>(slots[i].kind&15)&1 != 0 {
			continue
		}
		v, c := slots[i], &r.p.scalars[i]
		if v.kind == absent {
			if c.required && !c.isConst {
				return r.missing(i, c)
			}
			continue
		}
		if c.kind == typeString {
			return r.wrong(c, v, "a string")
		}
		if reason := r.convert(i, c, v); reason != "" {
			return reason
		}
	}
	if id := &slots[colID]; id.off == id.end && !r.p.scalars[colID].isConst {
		return r.reject(MissingID, r.where(*id), r.p.scalars[colID].name, "the id is empty")
	}
	if v := &slots[colKind]; v.off == v.end {
		v.kind = absent
	} else if !IsKind(r.text(*v)) {
		return r.wrong(&r.p.scalars[colKind], *v, "one of post, reply, quote, repost")
	}
	if !r.listed && !r.p.listNeeded {
		return ""
	}
	for i, items := range r.lists {
		c := &r.p.lists[i]
		if len(items) == 0 {
			if c.required && !r.listSeen(c) {
				return r.reject(MissingField, -1, c.name, "the record has no such value, which the config requires")
			}
			continue
		}
		for _, it := range items {
			if it.kind != str && it.kind != escaped && it.kind != made && !(it.kind == number && c.numbers) {
				return r.wrong(c, it.value, "a string")
			}
		}
	}
	return ""
}

func (r *row) listSeen(c *colPlan) bool {
	for _, l := range c.lists {
		if r.w.lists[l].seen {
			return true
		}
	}
	return false
}

func (r *row) missing(i int, c *colPlan) Reason {
	switch i {
	case colID:
		return r.reject(MissingID, -1, c.name, "the record has no id")
	case colCreatedAt:
		return r.reject(MissingTime, -1, c.name, "the record has no time")
	}
	return r.reject(MissingField, -1, c.name, "the record has no such value, which the config requires")
}

// convert reads a value that is no string into nums.
func (r *row) convert(i int, c *colPlan, v value) Reason {
	var ok bool
	switch c.kind {
	case typeInt:
		if r.nums[i], ok = r.integer(v); !ok {
			return r.wrong(c, v, "an integer of 64 bits")
		}
	case typeFloat:
		f, err := math.NaN(), error(nil)
		if v.kind == number || v.kind == str {
			f, err = strconv.ParseFloat(string(r.text(v)), 64)
		}
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return r.wrong(c, v, "a number of 64 bits")
		}
		r.nums[i] = int64(math.Float64bits(f))
	case typeBool:
		if v.kind != boolTrue && v.kind != boolFalse {
			return r.wrong(c, v, "true or false")
		}
		r.nums[i] = int64(boolFalse - v.kind)
	case typeTime:
		switch v.kind {
		case madeTime:
			r.nums[i], ok = int64(v.end)<<32|int64(v.off), true
		case str:
			text := r.w.buf[v.off:v.end]
			if r.nums[i], ok = r.times.sameDay(text); !ok {
				r.nums[i], ok = r.times.parse(text, false)
			}
		case escaped, number:
			r.nums[i], ok = r.times.parse(r.text(v), v.kind == number)
		}
		if !ok {
			return r.wrong(c, v, "a time ("+r.times.format+")")
		}
		if t := r.nums[i]; i == colCreatedAt && (t < r.p.minTime || t >= r.p.maxTime) {
			return r.reject(TimeOutOfRange, r.where(v), c.name, quoted(r.text(v))+" is not within min_time and max_time")
		}
	}
	return ""
}

// integer reads a JSON number, or digits in a string. A fraction of zero and an
// exponent are fine as long as the value is an integer that is exact.
func (r *row) integer(v value) (int64, bool) {
	if v.kind != number && v.kind != str {
		return 0, false
	}
	s := r.w.buf[v.off:v.end]
	if n, ok := parseInt(s); ok || v.kind != number {
		return n, ok
	}
	f, err := strconv.ParseFloat(string(s), 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int64(f), true
}

// text returns the value's text; for strings without their escapes. It is
// valid until the next call, and must not be changed.
func (r *row) text(v value) []byte {
	switch v.kind {
	case absent:
		return nil
	case made:
		return r.scratch[v.off:v.end]
	case madeTime:
		r.temp = strconv.AppendInt(r.temp[:0], int64(v.end)<<32|int64(v.off), 10)
		return r.temp
	case escaped:
		r.temp = jsonscan.AppendUnescaped(r.temp[:0], r.w.buf[v.off:v.end])
		return r.temp
	}
	return r.w.buf[v.off:v.end]
}

// make turns what was appended to scratch since from into a value.
func (r *row) make(from int) value {
	return value{off: uint32(from), end: uint32(len(r.scratch)), kind: made}
}

// aux returns the preset's k-th further value.
func (r *row) aux(k int) value { return r.w.slots[r.p.aux[k]] }

// auxList returns the elements of the preset's k-th further value, a list.
func (r *row) auxList(k int) *list { return &r.w.lists[r.p.aux[k]] }

// reject keeps what a person should read of why; the text is put together by
// detail, when it is needed.
func (r *row) reject(reason Reason, at int, what, problem string) Reason {
	r.at, r.what, r.problem = at, what, problem
	return reason
}

func (r *row) wrong(c *colPlan, v value, want string) Reason {
	shown := quoted(r.text(v))
	if v.kind == jsonObject || v.kind == jsonArray {
		shown = "this"
	} else if v.kind != str && v.kind != escaped && v.kind != made {
		shown = strings.ToValidUTF8(string(r.text(v)[:min(len(r.text(v)), 64)]), "")
	}
	return r.reject(WrongType, r.where(v), c.name, shown+" is not "+want)
}

// where returns the place of v in the record; -1 if it was made.
func (r *row) where(v value) int {
	if v.kind == made || v.kind == madeTime {
		return -1
	}
	return int(v.off)
}

func (r *row) detail() string {
	switch {
	case r.what == "" && r.at < 0:
		return r.problem
	case r.what == "":
		return fmt.Sprintf("byte %d: %s", r.at, r.problem)
	case r.at < 0:
		return r.what + ": " + r.problem
	}
	return fmt.Sprintf("%s (byte %d): %s", r.what, r.at, r.problem)
}

// quoted shortens s for a message.
func quoted(s []byte) string {
	if len(s) > 64 {
		return strconv.Quote(string(s[:64])) + "…"
	}
	return strconv.Quote(string(s))
}

// IsKind reports whether s names a kind of post.
func IsKind(s []byte) bool {
	switch string(s) {
	case "post", "reply", "quote", "repost":
		return true
	}
	return false
}
