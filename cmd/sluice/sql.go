package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/chzyer/readline"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/graph"
	"github.com/sluicehq/sluice/sinks/clickhouse"
	"github.com/sluicehq/sluice/sinks/clickhouse/embedded"
)

// sqlFormats are the names that --format takes, with ClickHouse's own.
var sqlFormats = map[string]string{
	"table": "PrettyCompactMonoBlock", "vertical": "Vertical", "json": "JSONEachRow", "csv": "CSVWithNames", "tsv": "TSVWithNames", "parquet": "Parquet",
}

type sqlFlags struct {
	fileFlags
	pipeline, path, dsn, database, format, file string
	params                                      []string
	write                                       bool
}

func sqlCommand() *cobra.Command {
	var f sqlFlags
	c := &cobra.Command{
		Use:   "sql [QUERY]",
		Short: "Query the store: one query, or a prompt with history",
		Long: `Query the ClickHouse store of a pipeline. Without QUERY and without --file it
reads statements, ended by a semicolon, from a prompt or from standard input.

The store is read-only unless --write is given. It may be queried while the
pipeline runs.`,
		Example: `  sluice sql --pipeline pipeline.yaml "SELECT rule_id, count() FROM detections GROUP BY rule_id"
  sluice sql --path data --format parquet "SELECT * FROM posts" > posts.parquet`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
			defer stop()
			params, err := parameters(f.params)
			if err != nil {
				return err
			}
			ctx = ch.Context(ctx, ch.WithParameters(params))
			return f.run(ctx, args, c.InOrStdin(), c.OutOrStdout())
		},
	}
	c.Flags().StringVarP(&f.pipeline, "pipeline", "p", "", "take the store of this pipeline file's clickhouse sink")
	c.Flags().StringVar(&f.path, "path", "", "folder of an embedded store")
	c.Flags().StringVar(&f.dsn, "dsn", "", "address of a server's HTTP interface: http://user:password@host:8123/database")
	c.Flags().StringVar(&f.database, "database", "", "database; default sluice")
	c.Flags().StringVarP(&f.format, "format", "f", "", "table, vertical, json, csv, tsv, parquet; default table on a terminal, tsv elsewhere")
	c.Flags().StringVar(&f.file, "file", "", "run the statements of a file")
	c.Flags().StringArrayVar(&f.params, "param", nil, "value of a query parameter: NAME=VALUE stands for {NAME:Type} (repeatable)")
	c.Flags().BoolVar(&f.write, "write", false, "permit statements that change the store")
	f.add(c)
	return c
}

// parameterName is what a query can write in {name:Type}.
var parameterName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// parameters reads NAME=VALUE. ClickHouse unescapes a parameter's value as it
// does a TSV field, so it is escaped here, to arrive as it was typed.
func parameters(list []string) (ch.Parameters, error) {
	escape := strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`)
	out := ch.Parameters{}
	for _, p := range list {
		name, value, ok := strings.Cut(p, "=")
		if !ok || !parameterName.MatchString(name) {
			return nil, usage(fmt.Errorf("sql: --param %q: write NAME=VALUE, as in --param rule=spam for {rule:String} in the query", p))
		}
		out[name] = escape.Replace(value)
	}
	return out, nil
}

// store finds out which store is meant.
func (f *sqlFlags) store() (clickhouse.Config, error) {
	given := 0
	for _, s := range []string{f.pipeline, f.path, f.dsn} {
		if s != "" {
			given++
		}
	}
	if given != 1 {
		return clickhouse.Config{}, usage(errors.New("sql: say which store by one of --pipeline FILE, --path DIR, --dsn ADDRESS"))
	}
	cfg := clickhouse.Defaults()
	switch {
	case f.path != "":
		if err := isStore(f.path); err != nil {
			return cfg, err
		}
		cfg.Embedded.Path = f.path
	case f.dsn != "":
		cfg.DSN = pipeline.Secret(f.dsn)
	default:
		spec, err := f.load(f.pipeline, graph.NewWatch())
		if err != nil {
			return cfg, err
		}
		for _, s := range spec.Sinks {
			if s.Kind == "clickhouse" {
				if err := s.Decode(&cfg); err != nil {
					return cfg, usage(err)
				}
				cfg = cfg.Resolve(spec.Dir)
				break
			}
		}
		if cfg.Embedded.Path == "" && cfg.DSN == "" {
			return cfg, usage(fmt.Errorf("sql: %s has no clickhouse sink", f.pipeline))
		}
	}
	if f.database != "" {
		cfg.Database = f.database
	}
	return cfg, nil
}

// isStore refuses a folder that is none of the engine's: opening it would make
// an empty store there.
func isStore(path string) error {
	marked := func(dir string) bool {
		_, err := os.Stat(filepath.Join(dir, embedded.MarkerFile))
		return err == nil
	}
	if marked(path) {
		return nil
	}
	hint := ""
	if inner := filepath.Join(path, "clickhouse"); marked(inner) {
		hint = "; did you mean " + inner + "?"
	}
	return usage(fmt.Errorf("sql: %s is not the folder of an embedded store%s", path, hint))
}

// queryer is what clickhouse-go's connections over HTTP have: results in any
// of ClickHouse's formats.
type queryer interface {
	QueryFormat(ctx context.Context, format, query string, args ...any) (io.ReadCloser, error)
}

func (f *sqlFlags) run(ctx context.Context, args []string, in io.Reader, out io.Writer) (err error) {
	tty := isTerminal(out)
	name := f.format
	if name == "" {
		name = "tsv"
		if tty {
			name = "table"
		}
	}
	format, ok := sqlFormats[name]
	if !ok {
		return usage(fmt.Errorf("sql: there is no format %q: choose one of table, vertical, json, csv, tsv, parquet", name))
	}
	if format == "Parquet" && tty {
		return usage(errors.New("sql: parquet is binary: redirect the output to a file"))
	}
	cfg, err := f.store()
	if err != nil {
		return err
	}
	conn, cleanup, err := clickhouse.Connect(ctx, cfg, !f.write)
	if err != nil {
		return fmt.Errorf("sql: %w", err)
	}
	defer func() { err = errors.Join(err, cleanup(context.WithoutCancel(ctx))) }()
	switch {
	case f.file != "":
		text, err := os.ReadFile(f.file)
		if err != nil {
			return usage(err)
		}
		return runStatements(ctx, conn, format, string(text), out)
	case len(args) == 1:
		return runStatements(ctx, conn, format, args[0], out)
	case isTerminal(in):
		return prompt(ctx, conn, format, out)
	}
	text, err := io.ReadAll(io.LimitReader(in, 16<<20))
	if err != nil {
		return err
	}
	return runStatements(ctx, conn, format, string(text), out)
}

func isTerminal(v any) bool {
	f, ok := v.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// runStatements runs statements separated by semicolons.
func runStatements(ctx context.Context, conn driver.Conn, format, text string, out io.Writer) error {
	for _, stmt := range splitStatements(text) {
		if err := runStatement(ctx, conn, format, stmt, out); err != nil {
			return err
		}
	}
	return nil
}

// formatClause finds FORMAT at a statement's end; the driver wants it apart.
var formatClause = regexp.MustCompile(`(?i)\sFORMAT\s+(\w+)\s*$`)

func runStatement(ctx context.Context, conn driver.Conn, format, stmt string, out io.Writer) error {
	q, ok := conn.(queryer)
	if !ok {
		return errors.New("sql: this connection has no output formats: give the server's HTTP address, http://host:8123")
	}
	if m := formatClause.FindStringSubmatchIndex(stmt); m != nil { // the statement's own choice
		stmt, format = stmt[:m[0]], stmt[m[2]:m[3]]
	}
	r, err := q.QueryFormat(ctx, format, stmt)
	if err != nil {
		return fmt.Errorf("sql: %w", err)
	}
	_, err = io.Copy(out, r)
	if cerr := r.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("sql: %w", err)
	}
	return nil
}

// splitStatements cuts text at the semicolons that stand outside quotes and
// comments. Empty statements are left out.
func splitStatements(text string) (out []string) {
	start := 0
	add := func(end int) {
		if s := strings.TrimSpace(text[start:end]); s != "" && !onlyComments(s) {
			out = append(out, s)
		}
	}
	for i := 0; i < len(text); {
		if n := skipQuoted(text[i:]); n > 0 {
			i += n
			continue
		}
		if text[i] == ';' {
			add(i)
			start = i + 1
		}
		i++
	}
	add(len(text))
	return out
}

// skipQuoted returns the length of the string, quoted name or comment that s
// starts with, 0 for none. An unfinished one reaches to the end.
func skipQuoted(s string) int {
	until := func(from int, end string) int {
		if k := strings.Index(s[from:], end); k >= 0 {
			return from + k + len(end)
		}
		return len(s)
	}
	switch {
	case strings.HasPrefix(s, "--"):
		return until(2, "\n")
	case strings.HasPrefix(s, "/*"):
		return until(2, "*/")
	case s[0] == '\'' || s[0] == '"' || s[0] == '`':
		for i := 1; i < len(s); i++ {
			switch s[i] {
			case '\\':
				i++
			case s[0]:
				return i + 1
			}
		}
		return len(s)
	}
	return 0
}

func onlyComments(s string) bool {
	for s = strings.TrimSpace(s); strings.HasPrefix(s, "--") || strings.HasPrefix(s, "/*"); s = strings.TrimSpace(s) {
		s = s[skipQuoted(s):]
	}
	return s == ""
}

// prompt reads statements from the terminal until the end of input or exit.
func prompt(ctx context.Context, conn driver.Conn, format string, out io.Writer) error {
	history := ""
	if dir, err := os.UserCacheDir(); err == nil {
		dir = filepath.Join(dir, "sluice")
		if os.MkdirAll(dir, 0o700) == nil {
			history = filepath.Join(dir, "sql_history")
		}
	}
	rl, err := readline.NewEx(&readline.Config{Prompt: "sluice> ", HistoryFile: history, HistorySearchFold: true, DisableAutoSaveHistory: true})
	if err != nil {
		return fmt.Errorf("sql: %w", err)
	}
	defer func() { _ = rl.Close() }()
	fmt.Fprintln(out, "Statements end with a semicolon. SHOW TABLES; lists the tables, exit leaves.")
	var text string
	for {
		line, err := rl.Readline()
		switch {
		case errors.Is(err, readline.ErrInterrupt):
			text = ""
			rl.SetPrompt("sluice> ")
			continue
		case err != nil: // end of input
			return nil
		}
		if word := strings.TrimRight(strings.TrimSpace(line), ";"); text == "" && (word == "exit" || word == "quit" || word == `\q`) {
			return nil
		}
		text += line + "\n"
		if !strings.HasSuffix(strings.TrimSpace(text), ";") {
			rl.SetPrompt("     -> ")
			continue
		}
		if err := rl.SaveHistory(strings.Join(strings.Fields(text), " ")); err != nil {
			return fmt.Errorf("sql: history: %w", err)
		}
		if err := runStatements(ctx, conn, format, text, out); err != nil {
			fmt.Fprintln(out, err)
		}
		text = ""
		rl.SetPrompt("sluice> ")
		if ctx.Err() != nil {
			return nil
		}
	}
}
