package rule

import (
	"regexp"

	"github.com/google/cel-go/cel"
)

// op is what a node of the lowered graph computes.
type op uint8

const (
	opConst     op = iota
	opColumn       // a column of the rows
	opElem         // the elements of a list column
	opOuter        // a column of the rows, at their elements
	opListLen      // size(list)
	opStrLen       // size(string), in code points
	opLower        // lowerAscii
	opAdd          // int, uint, double; duration
	opSub          //
	opMul          //
	opDiv          //
	opMod          //
	opNeg          //
	opTimeDiff     // time - time = duration
	opTimeAdd      // time + constant duration of whole milliseconds (ci)
	opTimePart     // getHours and so on; ci is a part
	opToDouble     // double(int)
	opSelect       // c ? a : b, any kind but string
	opCompare      // args[0] cmp args[1]; ci is a comparison
	opCompareC     // args[0] cmp constant; ci is a comparison
	opInSet        // args[0] in constant strings or ints
	opInList       // args[0] in a term list
	opPrefix       // startsWith constant
	opSuffix       // endsWith constant
	opContains     // contains constant
	opMatches      // matches constant pattern
	opHas          // has(column)
	opNot          //
	opAnd          //
	opOr           //
	opExists       // args[0] over elements
	opAll          //
	opExistsOne    //
	opInterpret    // cel-go's own evaluator
)

// Comparisons, as bits of what they accept: less, equal, greater.
const (
	cmpLess    = 1
	cmpEqual   = 2
	cmpGreater = 4
)

// Parts of a time, for opTimePart.
const (
	partHours = iota
	partMinutes
	partSeconds
	partMillis
	partWeekday
)

// rowDomain is the domain of nodes with one value a row; domain 1+i has one
// value an element of list column i (an index into Env.columns).
const rowDomain = 0

// key is what makes two nodes equal. Constants are spelled into text.
type key struct {
	op   op
	kind kind
	dom  int32
	args [3]int32
	col  int32
	ci   int64
	cs   string
}

// node is one operation of the graph. Its arguments have lower numbers.
type node struct {
	key
	num   int64   // the constant of an int, uint, time or duration; 1 for true
	cf    float64 // the constant of a double
	set   map[string]struct{}
	ints  map[int64]struct{}
	list  *List
	re    *regexp.Regexp
	prog  cel.Program
	typ   arrowType
	cost  int // of one value, in about nanoseconds; orders conjuncts
	users int // rules of which this is a conjunct
}

// arrowType tells how a column's values lie in memory.
type arrowType uint8

const (
	atNone arrowType = iota
	atInt8
	atInt16
	atInt32
	atWord // 64 bits: int64, uint64, timestamp
	atUint8
	atUint16
	atUint32
	atFloat32
	atFloat64
	atBool
	atString
	atList
)
