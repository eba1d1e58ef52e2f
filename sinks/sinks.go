// Package sinks lists the sinks.
package sinks

import (
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/sinks/alert"
	"github.com/sluicehq/sluice/sinks/clickhouse"
	"github.com/sluicehq/sluice/sinks/discard"
	"github.com/sluicehq/sluice/sinks/file"
	"github.com/sluicehq/sluice/sinks/kafka"
	"github.com/sluicehq/sluice/sinks/stdout"
)

// All returns the factory of each sink, in the order of their names.
func All() []pipeline.Factory {
	return []pipeline.Factory{
		alert.Factory(),
		clickhouse.Factory(),
		discard.Factory(),
		file.Factory(),
		kafka.Factory(),
		stdout.Factory(),
	}
}
