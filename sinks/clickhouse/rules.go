package clickhouse

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// RuleRow is a rule as the table rules keeps it, so that a detection's
// rule_id, rule_version and rule_hash lead to what was in force.
type RuleRow struct {
	ID        string
	Version   uint32
	Hash      string // hex SHA-256 of the rule's canonical form
	Owner     string
	Severity  string // info, low, medium, high, critical
	Mode      string // live, shadow, off
	Labels    []string
	Condition string // as the rule file writes it
	File      string // where the rule stands
}

// RuleRegistrar is a sink that keeps a register of rules. The command line
// calls it when rules are loaded or reloaded.
type RuleRegistrar interface {
	RegisterRules(ctx context.Context, rows []RuleRow) error
}

var _ RuleRegistrar = (*Sink)(nil)

// RegisterRules adds the rules that the register does not have yet, each with
// the present time as its first_seen. A rule is known by id, version, hash and
// mode. Its errors are classified as those of Write are.
func (s *Sink) RegisterRules(ctx context.Context, rows []RuleRow) error {
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

func (s *Sink) registerRules(ctx context.Context, rules []RuleRow) error {
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
