package decode

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/pipeline"
)

// colType is the type of a column, as config names it.
type colType uint8

const (
	typeString colType = iota
	typeInt
	typeFloat
	typeBool
	typeTime
	typeStrings
	numTypes
)

var typeNames = [numTypes]string{"string", "int", "float", "bool", "timestamp", "strings"}

func (t colType) arrow() arrow.DataType {
	switch t {
	case typeInt:
		return arrow.PrimitiveTypes.Int64
	case typeFloat:
		return arrow.PrimitiveTypes.Float64
	case typeBool:
		return arrow.FixedWidthTypes.Boolean
	case typeTime:
		return pipeline.Timestamp
	case typeStrings:
		return pipeline.ListOf(arrow.BinaryTypes.String)
	}
	return arrow.BinaryTypes.String
}

// Positions of the standard scalar columns among the plan's scalars, and of
// the standard lists among its lists. Slot k is the first alternative of
// scalar k.
const (
	colID = iota
	colCreatedAt
	colAuthorID
	colAuthorHandle
	colAuthorFollowers
	colAuthorFollowing
	colAuthorCreatedAt
	colText
	colLang
	colKind
	colReplyTo
	colQuoteOf
	colRepostOf
	colPlatform
	numScalars
)

const (
	colURLs = iota
	colHashtags
	colMentions
	colMediaHashes
	numLists
)

// colPlan is a column that decoding fills.
type colPlan struct {
	name     string
	kind     colType
	numbers  bool // a string column of ids: numbers are taken as text
	required bool
	constant string
	isConst  bool
	byConfig bool  // the config says where it is, not the preset
	field    int   // position in the schema
	lists    []int // for lists: the alternatives' list slots
	all      bool  // for lists: all alternatives, not the first
}

// fine returns the kinds of values that need neither conversion nor refusal.
func (c *colPlan) fine() uint16 {
	mask := uint16(0)
	if !c.required || c.isConst {
		mask |= 1 << absent
	}
	if c.kind == typeString {
		mask |= 1<<str | 1<<escaped | 1<<made
		if c.numbers {
			mask |= 1 << number
		}
	}
	return mask
}

// fallback copies a slot to a column's own slot if that is empty.
type fallback struct{ column, slot int }

// plan is the plan half of the decoder.
type plan struct {
	mem              memory.Allocator
	preset           preset
	times            timeParser
	minTime, maxTime int64 // Unix ms; half open
	maxRecord        int

	schema     *arrow.Schema
	root       *node
	hints      int // in the tree
	scalars    []colPlan
	fine       []uint16 // by scalar: bit k set = a value of kind k needs no look
	listNeeded bool     // a list column is required
	lists      []colPlan
	fallbacks  []fallback
	slots      int   // scalar slots
	listSlots  int   // list slots
	aux        []int // preset.aux number -> slot or list slot
}

func (p *plan) Output() *arrow.Schema { return p.schema }
func (p *plan) New() pipeline.Decoder { return newDecoder(p) }

// standard returns the standard columns in the order of their positions.
func standard() (scalars, lists []colPlan) {
	scalars = []colPlan{
		colID:              {name: pipeline.ColID, numbers: true, required: true},
		colCreatedAt:       {name: pipeline.ColCreatedAt, kind: typeTime, required: true},
		colAuthorID:        {name: pipeline.ColAuthorID, numbers: true},
		colAuthorHandle:    {name: pipeline.ColAuthorHandle},
		colAuthorFollowers: {name: pipeline.ColAuthorFollowers, kind: typeInt},
		colAuthorFollowing: {name: pipeline.ColAuthorFollowing, kind: typeInt},
		colAuthorCreatedAt: {name: pipeline.ColAuthorCreatedAt, kind: typeTime},
		colText:            {name: pipeline.ColText},
		colLang:            {name: pipeline.ColLang},
		colKind:            {name: pipeline.ColKind},
		colReplyTo:         {name: pipeline.ColReplyTo, numbers: true},
		colQuoteOf:         {name: pipeline.ColQuoteOf, numbers: true},
		colRepostOf:        {name: pipeline.ColRepostOf, numbers: true},
		colPlatform:        {name: pipeline.ColPlatform},
	}
	lists = []colPlan{
		colURLs:        {name: pipeline.ColURLs, kind: typeStrings},
		colHashtags:    {name: pipeline.ColHashtags, kind: typeStrings},
		colMentions:    {name: pipeline.ColMentions, kind: typeStrings, numbers: true},
		colMediaHashes: {name: pipeline.ColMediaHashes, kind: typeStrings},
	}
	return scalars, lists
}

// compile lays out columns and slots and builds the tree.
func (p *plan) compile(cfg Config) error {
	var errs []error
	fail := func(name, field string, err error) {
		errs = append(errs, &pipeline.FieldError{Path: strings.TrimSuffix("columns."+name+"."+field, "."), Err: err})
	}
	p.scalars, p.lists = standard()
	exprs := maps.Clone(p.preset.columns)
	if exprs == nil {
		exprs = map[string]string{}
	}
	if p.preset.platform != "" {
		p.scalars[colPlatform].constant, p.scalars[colPlatform].isConst = p.preset.platform, true
	}
	var extra []arrow.Field
	for _, name := range slices.Sorted(maps.Keys(cfg.Columns)) {
		c := cfg.Columns[name]
		col, isNew, err := p.apply(name, c)
		if err != nil {
			var fe *pipeline.FieldError
			if errors.As(err, &fe) {
				fail(name, fe.Path, fe.Err)
			} else {
				fail(name, "", err)
			}
			continue
		}
		if isNew {
			extra = append(extra, arrow.Field{Name: name, Type: col.kind.arrow(), Nullable: col.kind != typeString && col.kind != typeStrings})
		}
		delete(exprs, name)
		if c.Path != "" {
			exprs[name] = c.Path
		}
	}
	for _, name := range []string{pipeline.ColID, pipeline.ColCreatedAt} {
		if exprs[name] == "" && p.scalars[p.scalar(name)].constant == "" && !slices.Contains(p.preset.computed, name) {
			fail(name, "", fmt.Errorf("column %q is needed: say where it is, as in columns: {%s: {path: ...}}", name, name))
		}
	}
	p.schema = pipeline.PostsSchema(extra...)
	if errs != nil {
		return errors.Join(errs...)
	}
	targets, err := p.layout(exprs)
	if err != nil {
		return err
	}
	b := &builder{}
	if p.root, err = b.node(path{}, targets); err != nil {
		return &pipeline.FieldError{Path: "columns", Err: err}
	}
	p.hints = b.hints
	for i := range p.scalars {
		p.fine = append(p.fine, p.scalars[i].fine())
	}
	p.listNeeded = slices.ContainsFunc(p.lists, func(c colPlan) bool { return c.required })
	return nil
}

func (p *plan) scalar(name string) int {
	return slices.IndexFunc(p.scalars, func(c colPlan) bool { return c.name == name })
}

// apply applies what the config says of a column: one of the standard
// ones is changed in place, another is added.
func (p *plan) apply(name string, c Column) (*colPlan, bool, error) {
	field := func(path, format string, args ...any) error {
		return &pipeline.FieldError{Path: path, Err: fmt.Errorf(format, args...)}
	}
	if name == pipeline.ColSource || name == pipeline.ColSourceOffset {
		return nil, false, fmt.Errorf("column %q is made by the source and cannot be set", name)
	}
	kind := typeString
	if c.Type != "" {
		i := slices.Index(typeNames[:], c.Type)
		if i < 0 {
			return nil, false, field("type", "unknown type %q: use one of %s", c.Type, strings.Join(typeNames[:], ", "))
		}
		kind = colType(i)
	}
	var col *colPlan
	isNew := false
	if i := p.scalar(name); i >= 0 {
		col = &p.scalars[i]
	} else if i := slices.IndexFunc(p.lists, func(c colPlan) bool { return c.name == name }); i >= 0 {
		col = &p.lists[i]
	}
	switch {
	case col != nil:
		if c.Type != "" && kind != col.kind {
			return nil, false, field("type", "column %q has the type %s", name, typeNames[col.kind])
		}
	case !validName(name):
		return nil, false, fmt.Errorf("column name %q: use lower-case letters, digits and _, beginning with a letter", name)
	default:
		isNew = true
		into := &p.scalars
		if kind == typeStrings {
			into = &p.lists
		}
		*into = append(*into, colPlan{name: name, kind: kind, numbers: true})
		col = &(*into)[len(*into)-1]
	}
	col.required = col.required || c.Required
	switch {
	case c.Path == "" && c.Value == "":
		return nil, false, field("path", "neither path nor value: say where the value is")
	case c.Path != "" && c.Value != "":
		return nil, false, field("value", "both path and value: use one")
	case c.Value != "" && col.kind != typeString:
		return nil, false, field("value", "a constant is for columns of type string, this is of type %s", typeNames[col.kind])
	}
	col.constant, col.isConst, col.byConfig = c.Value, c.Value != "", true
	return col, isNew, nil
}

// validName reports whether a new column may have that name.
func validName(s string) bool {
	for i, c := range []byte(s) {
		if c >= 'a' && c <= 'z' || i > 0 && (c == '_' || c >= '0' && c <= '9') {
			continue
		}
		return false
	}
	return s != "" && len(s) <= 64
}
