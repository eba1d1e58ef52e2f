package kafka

import (
	"errors"
	"fmt"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/arrowipc"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/sources/decode"
)

// ipcLimits bound a message that is an Arrow IPC stream: in rows by what an
// epoch holds by default.
func ipcLimits() arrowipc.Limits { return arrowipc.Limits{Bytes: 64 << 20, Rows: 65_536} }

// ipcRecord is how many bytes that a message unpacks to count as a record, so
// that what is in flight is bounded for small messages that unpack to much.
const ipcRecord = 1024

// ipcRecords returns how many records a message counts for: at least its rows.
func ipcRecords(value []byte) int {
	rows, unpacked := arrowipc.Size(value, ipcLimits())
	return max(1, rows, unpacked/ipcRecord)
}

// reasonInvalidArrow is why a message is rejected that is no Arrow IPC stream;
// the other reasons are those of package decode.
const reasonInvalidArrow decode.Reason = "invalid_arrow"

// ipcPlan decodes messages that are Arrow IPC streams. Columns are found by
// name.
type ipcPlan struct {
	mem              memory.Allocator
	schema           *arrow.Schema
	columns          []ipcColumn
	source, offset   int // positions in the schema
	id, created      int // positions among columns
	kind, lang       int
	refs             [3]int
	minTime, maxTime int64 // Unix ms; half open
	maxRecord        int
}

// ipcColumn is a column of the posts that comes from the message.
type ipcColumn struct {
	name     string // among the posts
	from     string // in the message
	kind     arrowipc.Kind
	field    int // position in the schema
	required bool
	constant string
	isConst  bool
}

// newIPCPlan makes the plan for posts of a schema that decode has made of cfg.
func newIPCPlan(cfg *Config, schema *arrow.Schema, mem memory.Allocator) (*ipcPlan, error) {
	p := &ipcPlan{mem: mem, schema: schema, maxRecord: int(cfg.MaxRecord)}
	p.minTime, p.maxTime = cfg.Times()
	var errs []error
	at := map[string]int{}
	for i, f := range schema.Fields() {
		switch f.Name {
		case pipeline.ColSource:
			p.source = i
			continue
		case pipeline.ColSourceOffset:
			p.offset = i
			continue
		}
		c := ipcColumn{name: f.Name, from: f.Name, field: i, kind: ipcKind(f.Type)}
		if own, ok := cfg.Columns[f.Name]; ok {
			c.required, c.constant, c.isConst = own.Required, own.Value, own.Value != ""
			if own.Path != "" {
				c.from = own.Path
			}
			if strings.ContainsAny(own.Path, "[]()|\" ") {
				errs = append(errs, &pipeline.FieldError{Path: "columns." + f.Name + ".path", Err: fmt.Errorf("%q: with messages: arrow a path is the name of a column", own.Path)})
			}
		}
		at[f.Name] = len(p.columns)
		p.columns = append(p.columns, c)
	}
	p.id, p.created, p.kind, p.lang = at[pipeline.ColID], at[pipeline.ColCreatedAt], at[pipeline.ColKind], at[pipeline.ColLang]
	p.columns[p.created].required = true
	p.refs = [3]int{at[pipeline.ColRepostOf], at[pipeline.ColReplyTo], at[pipeline.ColQuoteOf]}
	return p, errors.Join(errs...)
}

// ipcKind returns how a column of posts looks in a message.
func ipcKind(t arrow.DataType) arrowipc.Kind {
	switch t.ID() {
	case arrow.INT64:
		return arrowipc.Int64
	case arrow.FLOAT64:
		return arrowipc.Float64
	case arrow.BOOL:
		return arrowipc.Bool
	case arrow.TIMESTAMP:
		return arrowipc.Timestamp
	case arrow.LIST:
		return arrowipc.Utf8List
	}
	return arrowipc.Utf8
}

// kindName is how errors write a kind.
func kindName(k arrowipc.Kind) string {
	return [...]string{
		arrowipc.Utf8: "utf8", arrowipc.Int64: "int64", arrowipc.Float64: "float64", arrowipc.Bool: "bool",
		arrowipc.Timestamp: "timestamp[ms, UTC]", arrowipc.Utf8List: "list<utf8>",
	}[k]
}

func (p *ipcPlan) Output() *arrow.Schema { return p.schema }

func (p *ipcPlan) New() pipeline.Decoder {
	d := &ipcDecoder{ipcPlan: p, reader: arrowipc.Reader{Limits: ipcLimits()}, at: make([]int, len(p.columns))}
	d.init()
	return d
}

// refusal is an error that rejects a message or a row.
type refusal struct {
	reason decode.Reason
	detail string
}

func (r *refusal) Error() string { return r.detail }

// pick finds the columns of a message, and checks their types.
func (d *ipcDecoder) pick(fields []arrowipc.Field) (picked []int, err error) {
	for i := range d.columns {
		c := &d.columns[i]
		d.at[i] = -1
		if c.isConst {
			continue
		}
		for j, f := range fields {
			switch {
			case f.Name != c.from:
			case d.at[i] >= 0:
				return nil, &refusal{decode.WrongType, fmt.Sprintf("column %q is there twice", f.Name)}
			case f.Kind != c.kind:
				return nil, &refusal{decode.WrongType, fmt.Sprintf("column %q is of type %s, and must be %s", f.Name, f.Type, kindName(c.kind))}
			default:
				d.at[i] = len(picked)
				picked = append(picked, j)
			}
		}
		if d.at[i] < 0 && (c.required || i == d.id) {
			return nil, &refusal{d.missing(i), fmt.Sprintf("the message has no column %q", c.from)}
		}
	}
	return picked, nil
}

// missing is the reason of a column without a value.
func (p *ipcPlan) missing(column int) decode.Reason {
	switch column {
	case p.id:
		return decode.MissingID
	case p.created:
		return decode.MissingTime
	}
	return decode.MissingField
}
