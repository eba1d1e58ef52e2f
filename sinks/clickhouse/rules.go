package clickhouse

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/sluicehq/sluice/pipeline"
)

var _ pipeline.RuleRegistrar = (*Sink)(nil)

// RegisterRules adds the rules that the register does not have yet, each with
// the present time as its first_seen. A rule is known by id, version, hash and
// mode. Its errors are classified as those of Write are.
func (s *Sink) RegisterRules(ctx context.Context, rows []pipeline.RuleInfo) error {
	if len(rows) == 0 {
		return nil
	}
	if err := s.registerRules(ctx, rows); err != nil {
		return s.classify(ctx, fmt.Errorf("%s: register %d rules: %w", s.name, len(rows), err))
	}
	return nil
}

type ruleKey struct {
	id      string
	version uint32
	hash    string
	mode    string
}

func (s *Sink) registerRules(ctx context.Context, rules []pipeline.RuleInfo) error {
	known, err := s.knownRules(ctx)
	if err != nil {
		return err
	}
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"async_insert": 0}))
	batch, err := s.conn.PrepareBatch(ctx, "INSERT INTO rules (rule_id, version, hash, owner, severity, mode, labels, condition, file)")
	if err != nil {
		return err
	}
	defer batch.Close()
	for _, r := range rules {
		key := ruleKey{r.ID, r.Version, r.Hash, r.Mode}
		if known[key] {
			continue
		}
		known[key] = true
		labels := r.Labels
		if labels == nil {
			labels = []string{}
		}
		if err := batch.Append(r.ID, r.Version, r.Hash, r.Owner, r.Severity, r.Mode, labels, r.Condition, r.File); err != nil {
			return err
		}
	}
	if batch.Rows() == 0 {
		return nil
	}
	return batch.Send()
}

func (s *Sink) knownRules(ctx context.Context) (map[ruleKey]bool, error) {
	rows, err := s.conn.Query(ctx, "SELECT rule_id, version, hash, toString(mode) FROM rules")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	known := map[ruleKey]bool{}
	for rows.Next() {
		var k ruleKey
		if err := rows.Scan(&k.id, &k.version, &k.hash, &k.mode); err != nil {
			return nil, err
		}
		known[k] = true
	}
	return known, rows.Err()
}
