// Command sluice runs detection pipelines: posts in, detections in ClickHouse.
// This package is the only place that joins the parts of Sluice.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/pipeline/engine"
)

// Exit codes; the README and `sluice help exit-codes` document them.
const (
	exitOK      = 0
	exitFailed  = 1 // something went wrong while running
	exitUsage   = 2 // the command line or a config, rule or list file is wrong; nothing was run
	exitTests   = 3 // rule tests failed
	exitAborted = 4 // stopped before all that was read was written; the next run goes on
)

// exitError carries an exit code.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// usage marks err as one of the command line or of a file that it names.
func usage(err error) error {
	if err == nil {
		return nil
	}
	return &exitError{exitUsage, err}
}

func main() { os.Exit(Main(os.Args[1:])) }

// Main runs the command line and returns the exit code; tests call it too.
func Main(args []string) int {
	root := newRoot()
	root.SetArgs(args)
	err := root.Execute()
	if err == nil {
		return exitOK
	}
	fmt.Fprintln(root.ErrOrStderr(), "sluice:", err)
	var coded *exitError
	switch {
	case errors.As(err, &coded):
		return coded.code
	case errors.Is(err, engine.ErrAborted):
		return exitAborted
	}
	return exitFailed
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "sluice",
		Short: "Detection pipelines: a firehose of posts in, detections in ClickHouse",
		Long: `Sluice reads posts, runs them through a graph of operators that a YAML file
defines, and writes posts and detections to ClickHouse, embedded or served.

Begin with:  sluice create > pipeline.yaml && sluice run pipeline.yaml`,
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage(fmt.Errorf("%w; `%s --help` lists the flags", err, c.CommandPath()))
	})
	root.AddCommand(
		runCommand(), validateCommand(), graphCommand(), testCommand(), explainCommand(), sqlCommand(), clickhouseCommand(),
		componentsCommand(), createCommand(), trainCommand(), evalCommand(), versionCommand(), referenceCommand(),
		&cobra.Command{Use: "exit-codes", Short: "What the exit codes mean", Long: `Exit codes:
  0  success
  1  something went wrong while running
  2  the command line, or a config, rule or list file, is wrong; nothing was run
  3  sluice test: a rule's test failed
  4  stopped before all that was read was written (a second signal, or the
     drain deadline passed); the next run goes on where this one stopped`},
	)
	for _, c := range root.Commands() {
		c.Args = usageArgs(c.Args)
	}
	// Without a RunE of its own the root would answer a mistyped command with
	// its help and the exit code 0.
	root.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	root.Args = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		msg := fmt.Sprintf("unknown command %q", args[0])
		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			msg += fmt.Sprintf("; did you mean %q?", near[0])
		}
		return usage(errors.New(msg + " `sluice --help` lists the commands"))
	}
	root.SuggestionsMinimumDistance = 2
	return root
}

// usageArgs marks a wrong number of arguments as a usage error.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if check == nil {
			return nil
		}
		if err := check(c, args); err != nil {
			return usage(fmt.Errorf("%w; usage: %s", err, c.UseLine()))
		}
		return nil
	}
}

// signals returns two contexts: the first ends with the first SIGINT or
// SIGTERM, or when endDrain is called, the second with the second.
func signals(parent context.Context) (drain, abort context.Context, endDrain, stop func()) {
	drain, endDrain = context.WithCancel(parent)
	abort, endAbort := context.WithCancel(parent)
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		for _, end := range []func(){endDrain, endAbort} {
			select {
			case <-ch:
				end()
			case <-done:
				return
			}
		}
	}()
	return drain, abort, endDrain, func() {
		signal.Stop(ch)
		close(done)
		endDrain()
		endAbort()
	}
}
