package examples_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

var sqlBlock = regexp.MustCompile("(?s)```sql\n(.*?)\n```")

// runDoc runs the statements of docs/sql.md in their order. Each query must
// give rows, and each view must be shown at work.
func runDoc(t *testing.T, conn driver.Conn) {
	page, err := os.ReadFile("../../docs/sql.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := sqlBlock.FindAllStringSubmatch(string(page), -1)
	if len(blocks) < 15 {
		t.Errorf("%d statements, want 15 at least", len(blocks))
	}
	var all strings.Builder
	for _, b := range blocks {
		sql := b[1]
		all.WriteString(sql)
		if strings.HasPrefix(sql, "INSERT") {
			if err := conn.Exec(t.Context(), sql); err != nil {
				t.Errorf("%v in\n%s", err, sql)
			}
			continue
		}
		r, err := ask(t.Context(), conn, sql)
		if err != nil {
			t.Errorf("%v in\n%s", err, sql)
		} else if len(r.rows) == 0 {
			t.Errorf("no rows from\n%s", sql)
		} else {
			t.Logf("%v %v", r.columns, r.rows[0])
		}
	}
	for _, view := range []string{"hits_by_rule_hour", "time_to_detect", "copy_groups", "evasion_seen", "rule_precision", "feedback", "time_to_alert", "alerts_now", "alert_deliveries"} {
		if !strings.Contains(all.String(), view) {
			t.Errorf("no statement uses %s", view)
		}
	}
	r, err := ask(t.Context(), conn, "SELECT precision, reviewed > 0, precision_low < 1 FROM rule_precision WHERE rule_id = 'recruitment-link'")
	if err != nil || len(r.rows) != 1 || strings.Join(r.rows[0], " ") != "1 1 1" {
		t.Errorf("precision after the review: %v, error %v", r.rows, err)
	}
}
