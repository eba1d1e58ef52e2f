package main

import (
	"context"
	"fmt"
	"strings"
)

// shown is how many differing rows of a table are printed.
const shown = 5

// compare looks at everything that the run has left, and puts what is wrong
// into res.
func (r *run) compare(ctx context.Context, res *result) error {
	if err := r.checkLedger(ctx, res); err != nil {
		return err
	}
	if err := r.checkPlaces(ctx, res); err != nil {
		return err
	}
	if r.grouped() {
		if err := r.checkGroup(res); err != nil {
			return err
		}
	}
	tables, err := r.tables(ctx)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if err := t.compare(ctx, r, res); err != nil {
			return err
		}
	}
	return nil
}

// table is one that the input decides.
type table struct {
	name    string
	columns []string // expressions, less those that the store's clock fills
	placed  bool     // each row has a source and an offset
}

// tables lists the tables of the undisturbed run. Those with a place in the
// source are read as they are, so that a row that was written twice shows even
// where the table folds it in time; the others are folded (FINAL).
func (r *run) tables(ctx context.Context) ([]table, error) {
	var out []table
	err := r.store.each(ctx, fmt.Sprintf(`SELECT table, groupArray(if(startsWith(type, 'AggregateFunction'), 'finalizeAggregation(' || name || ') AS ' || name, name)), countIf(name = '`+"`source_offset`"+`') > 0
		FROM (SELECT table, '`+"`' || name || '`"+`' AS name, type FROM system.columns WHERE database = '%[1]s' AND default_expression NOT LIKE 'now64%%' ORDER BY table, position)
		WHERE table IN (SELECT name FROM system.tables WHERE database = '%[1]s' AND engine LIKE '%%MergeTree' AND name NOT IN ('epochs', 'schema_migrations'))
		GROUP BY table ORDER BY table`, r.calm()), func(scan func(...any) error) error {
		var t table
		err := scan(&t.name, &t.columns, &t.placed)
		out = append(out, t)
		return err
	})
	if err == nil && len(out) < 7 {
		err = fmt.Errorf("the undisturbed run has %d tables: the comparison would show nothing", len(out))
	}
	return out, err
}

// compare compares a table of both databases.
func (t table) compare(ctx context.Context, r *run, res *result) error {
	from := func(database, extra string) string {
		final := " FINAL"
		if t.placed {
			final = ""
		}
		return fmt.Sprintf("SELECT %s FROM %s.%s%s%s", strings.Join(t.columns, ", "), database, t.name, final, extra)
	}
	for _, database := range []string{r.calm(), r.name} {
		n, err := value[uint64](ctx, r.store, "SELECT count() FROM ("+from(database, "")+")")
		if err != nil {
			return err
		}
		res.count(t.name, database == r.calm(), n)
	}
	parts := []string{""}
	if t.placed { // one partition at a time bounds the store's memory
		parts = nil
		for p := range r.partitions {
			parts = append(parts, fmt.Sprintf(" WHERE source = '%s/%d'", r.name, p))
		}
		parts = append(parts, fmt.Sprintf(" WHERE NOT startsWith(source, '%s/')", r.name))
	}
	for _, where := range parts {
		// A row as text holds every value and its place, NULL and the bounds of
		// arrays too, which a hash of the columns would not.
		text := "SELECT formatRowNoNewline('JSONEachRow', " + strings.Join(names(t.columns), ", ") + ") AS row, "
		sides := fmt.Sprintf("%s1 AS side FROM (%s) UNION ALL %s-1 AS side FROM (%s)", text, from(r.calm(), where), text, from(r.name, where))
		differ := "SELECT any(row) AS text, sum(side) AS balance FROM (" + sides + ") GROUP BY sipHash128(row) HAVING balance != 0"
		rows, err := value[uint64](ctx, r.store, "SELECT count() FROM ("+differ+")")
		if err != nil {
			return err
		}
		if rows == 0 {
			continue
		}
		res.wrong("%s%s: %d rows differ from the undisturbed run's; the first are", t.name, where, rows)
		err = r.store.each(ctx, "SELECT balance, text FROM ("+differ+") ORDER BY text LIMIT "+fmt.Sprint(shown), func(scan func(...any) error) error {
			var balance int64
			var text string
			err := scan(&balance, &text)
			what := fmt.Sprintf("%d times too few", balance)
			if balance < 0 {
				what = fmt.Sprintf("%d times too often", -balance)
			}
			res.wrong("  %s: %s", what, text)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// names returns the names of columns that may be expressions.
func names(columns []string) []string {
	var out []string
	for _, c := range columns {
		if _, name, ok := strings.Cut(c, " AS "); ok {
			c = name
		}
		out = append(out, c)
	}
	return out
}
