// Package sources lists the sources that Sluice is built with.
package sources

import (
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/sources/file"
	"github.com/sluicehq/sluice/sources/generate"
	"github.com/sluicehq/sluice/sources/http"
	"github.com/sluicehq/sluice/sources/jetstream"
	"github.com/sluicehq/sluice/sources/kafka"
)

// All returns the factories of all sources, sorted by name.
func All() []pipeline.Factory {
	return []pipeline.Factory{
		file.Factory(),
		generate.Factory(),
		http.Factory(),
		jetstream.Factory(),
		kafka.Factory(),
	}
}
