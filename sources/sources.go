// Package sources lists the sources that Sluice is built with.
package sources

import (
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/sources/file"
)

// All returns the factories of all sources.
func All() []pipeline.Factory {
	return []pipeline.Factory{
		file.Factory(),
	}
}
