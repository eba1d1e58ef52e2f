// Package rule reads rule files, checks their conditions against the schema
// of a pipeline step and evaluates them over Arrow batches.
//
// A condition is written in CEL (https://github.com/google/cel-spec). cel-go
// parses and type-checks it; [Env.Compile] lowers the checked trees of all
// rules into one graph of column kernels in which equal sub-expressions are
// one node, and builds an index from what rules require (a list that hit, a
// column equal to a constant, a literal in the text) to the rules, so that a
// batch costs what its candidates cost and not what the rule set is long.
// Sub-expressions that no kernel covers are run row by row by cel-go's own
// interpreter, on candidate rows only.
//
// The pieces, in the order in which they are used:
//
//	ParseFile, Load   bytes            → Set of Rules (no schema needed)
//	NewEnv            schema, lists    → Env: what conditions may name
//	Env.Compile       Set              → Program: immutable, for all workers
//	Program.NewEvaluator               → Evaluator: one goroutine's scratch
//	Evaluator.Match   record           → which rule fired on which row
//	RunTests          Set, a runner    → failed tests of the rule files
//
// # Three values
//
// A condition is true, false or an error, as CEL defines it: a null read, a
// division by zero, an overflow are errors; && and || absorb an error when the
// other side decides. A rule matches a row when its condition is true; an
// error is no match. A null is guarded by has(), as in
// has(author.followers) && author.followers < 10.
package rule
