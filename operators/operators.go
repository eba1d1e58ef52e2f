// Package operators lists the operators that pipelines can use.
package operators

import (
	"github.com/sluicehq/sluice/operators/fingerprint"
	"github.com/sluicehq/sluice/operators/language"
	"github.com/sluicehq/sluice/operators/match"
	"github.com/sluicehq/sluice/operators/normalize"
	"github.com/sluicehq/sluice/operators/repartition"
	"github.com/sluicehq/sluice/operators/rules"
	"github.com/sluicehq/sluice/operators/score"
	"github.com/sluicehq/sluice/operators/tokenize"
	"github.com/sluicehq/sluice/pipeline"
)

// All returns the factories of all operators, in the order in which steps
// commonly stand. A new operator is one line here.
func All() []pipeline.Factory {
	return []pipeline.Factory{
		normalize.Factory(),
		tokenize.Factory(),
		language.Factory(),
		fingerprint.Factory(),
		match.Factory(),
		score.Factory(),
		repartition.Factory(),
		rules.Factory(),
	}
}
