package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/sluicehq/sluice/sinks/clickhouse/embedded"
)

// openEmbedded starts the engine on the folder. With readonly it uses the
// engine of the process that has the folder open, if there is one.
func openEmbedded(ctx context.Context, cfg Embedded, readonly bool, log *slog.Logger) (*store, error) {
	if readonly {
		running, err := embedded.Locate(cfg.Path)
		switch {
		case err == nil:
			return embeddedStore(running.Addr, embedded.AnalystUser, "", cfg.Path), nil
		case !errors.Is(err, embedded.ErrNotRunning):
			return nil, fmt.Errorf("clickhouse: %w", err)
		}
	}
	opts := embedded.Options{
		EngineOptions: embedded.EngineOptions{
			Path: cfg.Path, BackgroundPoolSize: cfg.BackgroundPoolSize, MaxMemory: int64(cfg.MaxMemory), Fsync: cfg.Fsync,
		},
		Listen: cfg.Listen,
		Logger: log,
	}
	if cfg.child != nil {
		cfg.child(&opts)
	}
	engine, err := embedded.Start(ctx, opts)
	if err != nil {
		return nil, fmt.Errorf("clickhouse: %w", err)
	}
	st := embeddedStore(engine.Addr(), engine.User(), engine.Password(), cfg.Path)
	if readonly {
		st = embeddedStore(engine.Addr(), embedded.AnalystUser, "", cfg.Path)
	}
	st.stop = engine.Stop
	st.engine = engine
	return st, nil
}

func embeddedStore(addr, user, password, path string) *store {
	return &store{
		name: "the embedded engine of " + path,
		options: &clickhouse.Options{
			Protocol: clickhouse.HTTP,
			Addr:     []string{addr},
			Auth:     clickhouse.Auth{Username: user, Password: password},
		},
	}
}
