package pipeline

import (
	"context"
	"time"
)

// readKey is the key of a context's time of reading.
type readKey struct{}

// WithReadTime returns a context that tells a sink when the rows of a write were read.
func WithReadTime(ctx context.Context, at time.Time) context.Context {
	return context.WithValue(ctx, readKey{}, at)
}

// ReadTime returns when the last of the rows was read that a sink is given, by
// the clock; ok is false when the caller of Write does not say. After a crash it
// is another time for the same rows: so it may decide when somebody is told of
// something, and never what is stored.
func ReadTime(ctx context.Context) (at time.Time, ok bool) {
	at, ok = ctx.Value(readKey{}).(time.Time)
	return at, ok
}
