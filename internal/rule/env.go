package rule

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/ext"

	"github.com/sluicehq/sluice/pipeline"
)

// Bounds of a condition.
const (
	maxNodes        = 20_000    // after macro expansion
	maxDepth        = 200       // of the parse tree
	maxNesting      = 2         // comprehensions within comprehensions
	maxRegexProgram = 5_000     // instructions of a compiled pattern
	costLimit       = 1_000_000 // of one interpreted evaluation, in CEL's cost units
)

// hasPrefix begins the names of the hidden variables that has() is turned into.
const hasPrefix = "@has."

// kind is the type of a value in the lowered graph.
type kind uint8

const (
	kNone kind = iota
	kBool
	kInt
	kUint
	kDouble
	kString
	kTime     // int64 milliseconds since the epoch
	kDuration // int64 nanoseconds
	kListString
	kListInt
	kListUint
	kListDouble
)

// celTypes gives the CEL type of each kind.
var celTypes = [...]*cel.Type{
	kBool: cel.BoolType, kInt: cel.IntType, kUint: cel.UintType, kDouble: cel.DoubleType, kString: cel.StringType,
	kTime: cel.TimestampType, kDuration: cel.DurationType,
	kListString: cel.ListType(cel.StringType), kListInt: cel.ListType(cel.IntType),
	kListUint: cel.ListType(cel.UintType), kListDouble: cel.ListType(cel.DoubleType),
}

// colInfo is a column of the schema as conditions see it.
type colInfo struct {
	index    int
	name     string
	kind     kind
	typ      arrow.DataType
	nullable bool
}

// Env is what conditions may name: the columns of a schema and the term lists.
// It is immutable and safe for concurrent use.
//
// A column is a variable of its own name; the columns author_x are author.x
// too. Column match.<list> is the number of hits of a list, and list.<name> a
// set of terms that may stand to the right of `in`.
type Env struct {
	schema  *arrow.Schema
	columns []colInfo      // those that conditions can name
	names   map[string]int // variable -> index into columns
	lists   map[string]*List
	known   []string // all variables and lists, sorted, for messages
	cel     *cel.Env
}

var identPath = regexp.MustCompile(`^[_a-zA-Z][_a-zA-Z0-9]*(\.[_a-zA-Z][_a-zA-Z0-9]*)*$`)

// NewEnv returns the environment of a schema and lists. Columns of a type that
// CEL has no equal of (binary, nested lists, dates) are left out, and so are
// those whose names cannot be written in CEL.
func NewEnv(schema *arrow.Schema, lists ...*List) (*Env, error) {
	e := &Env{schema: schema, names: map[string]int{}, lists: map[string]*List{}}
	for i, f := range schema.Fields() {
		k := kindOf(f.Type)
		if k == kNone || !identPath.MatchString(f.Name) {
			continue
		}
		if _, twice := e.names[f.Name]; twice {
			return nil, &pipeline.DuplicateColumnError{Name: f.Name}
		}
		e.names[f.Name] = len(e.columns)
		e.columns = append(e.columns, colInfo{i, f.Name, k, f.Type, f.Nullable})
	}
	for i, c := range e.columns {
		if rest, ok := strings.CutPrefix(c.name, "author_"); ok && identPath.MatchString(rest) {
			if _, taken := e.names["author."+rest]; !taken {
				e.names["author."+rest] = i
			}
		}
	}
	for _, l := range lists {
		if !identPath.MatchString(l.Name) || strings.Contains(l.Name, ".") {
			return nil, fmt.Errorf("list %q: conditions cannot write this name: use letters, digits and '_'", l.Name)
		}
		e.lists[l.Name] = l
	}
	e.known = slices.Sorted(maps.Keys(e.names))
	for name := range e.lists {
		e.known = append(e.known, "list."+name)
	}
	slices.Sort(e.known)
	var err error
	e.cel, err = cel.NewCustomEnv(e.options()...)
	return e, err
}

// kindOf returns the kind of a column type, kNone if conditions cannot use it.
func kindOf(t arrow.DataType) kind {
	switch t.ID() {
	case arrow.BOOL:
		return kBool
	case arrow.INT8, arrow.INT16, arrow.INT32, arrow.INT64, arrow.UINT8, arrow.UINT16, arrow.UINT32:
		return kInt
	case arrow.UINT64:
		return kUint
	case arrow.FLOAT32, arrow.FLOAT64:
		return kDouble
	case arrow.STRING:
		return kString
	case arrow.TIMESTAMP:
		if t.(*arrow.TimestampType).Unit == arrow.Millisecond {
			return kTime
		}
	case arrow.LIST:
		if t.(*arrow.ListType).ElemField().Nullable {
			return kNone
		}
		switch kindOf(t.(*arrow.ListType).Elem()) {
		case kString:
			return kListString
		case kInt:
			return kListInt
		case kUint:
			return kListUint
		case kDouble:
			return kListDouble
		}
	}
	return kNone
}

func (e *Env) options() []cel.EnvOption {
	macros := []cel.Macro{cel.GlobalMacro("has", 1, e.expandHas)}
	for _, m := range cel.StandardMacros {
		if m.Function() != "has" {
			macros = append(macros, m)
		}
	}
	opts := []cel.EnvOption{
		cel.StdLib(), ext.Strings(ext.StringsVersion(4)),
		cel.ClearMacros(), cel.Macros(macros...),
		cel.ParserExpressionSizeLimit(MaxConditionRunes), cel.ParserRecursionLimit(maxDepth),
		cel.ParserErrorRecoveryLimit(8), cel.ExpressionNodeLimit(maxNodes),
		cel.EnableMacroCallTracking(), // so that expressions can be printed
		cel.DefaultUTCTimeZone(true), cel.EagerlyValidateDeclarations(false),
		cel.ASTValidators(cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(),
			cel.ValidateHomogeneousAggregateLiterals(), cel.ValidateComprehensionNestingLimit(maxNesting)),
	}
	for name, i := range e.names {
		opts = append(opts, cel.Variable(name, celTypes[e.columns[i].kind]))
	}
	for _, c := range e.columns {
		opts = append(opts, cel.Variable(hasPrefix+c.name, cel.BoolType))
	}
	for name := range e.lists {
		opts = append(opts, cel.Variable("list."+name, cel.ListType(cel.StringType)))
	}
	return opts
}
