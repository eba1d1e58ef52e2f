package kafka

import (
	"context"
	"log/slog"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Logs carries librdkafka's logs to a slog.Logger. One serves any number of
// clients, each of which is given Settings.
type Logs struct {
	events chan kafka.LogEvent
	done   chan struct{}
}

// NewLogs begins to carry. Close ends it.
func NewLogs(logger *slog.Logger) *Logs {
	l := &Logs{events: make(chan kafka.LogEvent, 64), done: make(chan struct{})}
	go func() {
		defer close(l.done)
		for e := range l.events {
			logger.Log(context.Background(), level(e.Level), e.Message, "client", e.Name, "tag", e.Tag)
		}
	}()
	return l
}

// Settings adds to m what makes a client log here.
func (l *Logs) Settings(m kafka.ConfigMap) {
	m["go.logs.channel.enable"] = true
	m["go.logs.channel"] = l.events
}

// Close ends the carrying. The clients have been closed before.
func (l *Logs) Close() {
	close(l.events)
	<-l.done
}

// level translates a level of syslog. What librdkafka calls an error is a
// broker that is away: it tries again, so it is a warning here. Errors that end
// something are returned and logged by whoever ends.
func level(syslog int) slog.Level {
	switch {
	case syslog <= 4:
		return slog.LevelWarn
	case syslog <= 6:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}
