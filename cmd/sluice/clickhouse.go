package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/sinks/clickhouse/embedded"
)

func clickhouseCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "clickhouse",
		Short: "The embedded ClickHouse engine",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	opts := embedded.ServeOptions{}
	maxMemory := pipeline.ByteSize(0)
	serve := &cobra.Command{
		Use:   "serve",
		Short: "Serve a data folder over ClickHouse's HTTP interface",
		Long: `Serve opens a data folder with the embedded engine and speaks ClickHouse's HTTP
interface, for clickhouse-go, curl, Grafana and every other HTTP client. Anybody
who reaches the address may read; the writer's password is in the data folder
(` + embedded.TokenFile + `) unless SLUICE_CLICKHOUSE_PASSWORD gives one.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			opts.MaxMemory = int64(maxMemory)
			opts.Password = os.Getenv("SLUICE_CLICKHOUSE_PASSWORD")
			opts.Logger = slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil))
			if embedded.IsChild() { // the parent reads it and logs it as its own
				opts.Logger = slog.New(slog.NewJSONHandler(c.ErrOrStderr(), nil))
			}
			opts.Stdout = c.OutOrStdout()
			ctx := c.Context()
			if ctx == nil {
				ctx = context.Background()
			}
			if err := embedded.Serve(ctx, opts); err != nil {
				return fmt.Errorf("clickhouse serve: %w", err)
			}
			return nil
		},
	}
	serve.Flags().StringVar(&opts.Path, "path", "data", "folder of the data")
	serve.Flags().StringVar(&opts.Listen, "listen", "127.0.0.1:8123", "address to listen on; port 0 takes a free one")
	serve.Flags().BoolVar(&opts.AllowRemote, "allow-remote", false, "permit an address that is not loopback")
	serve.Flags().StringVar(&opts.Library, "library", "", "file of libchdb; by default CHDB_LIB_PATH, then the cache folder")
	serve.Flags().Var((*sizeFlag)(&maxMemory), "max-memory", "limit of the engine's memory, such as 8GiB")
	serve.Flags().BoolVar(&opts.Fsync, "fsync", false, "make each acknowledged insert survive a loss of power")
	c.AddCommand(serve)
	return c
}

// sizeFlag reads a pipeline.ByteSize.
type sizeFlag pipeline.ByteSize

func (s *sizeFlag) String() string     { return pipeline.ByteSize(*s).String() }
func (s *sizeFlag) Set(v string) error { return (*pipeline.ByteSize)(s).UnmarshalText([]byte(v)) }
func (s *sizeFlag) Type() string       { return "size" }
