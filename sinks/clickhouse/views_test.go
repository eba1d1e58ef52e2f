package clickhouse

import (
	"strings"
	"testing"

	"github.com/sluicehq/sluice/pipeline"
)

// TestViews puts a few rows into the tables and looks at each analysts' view.
func TestViews(t *testing.T) {
	s := openSink(t, testConfig(t), pipeline.Schemas{})
	for _, sql := range []string{
		// Three copies by two authors, one near midnight; a repost and a short
		// post, which are left out; a lone post with two hits in disguise.
		`INSERT INTO posts (id, platform, created_at, author_id, kind, text, text_hash, token_count,
			hits.list, hits.term, hits.start, hits.end, hits.view, hits.disguise, hits.weight) VALUES
			('1', 'x', '2026-03-01 10:00:00', 'a', 'post', 'the same five words here', 7, 5, [], [], [], [], [], [], []),
			('2', 'x', '2026-03-01 11:00:00', 'a', 'reply', 'The same five words here', 7, 5, [], [], [], [], [], [], []),
			('3', 'y', '2026-03-01 09:00:00', 'a', 'post', 'the SAME five words here', 7, 5, [], [], [], [], [], [], []),
			('4', 'x', '2026-03-02 00:00:00', 'b', 'post', 'the same five words here', 7, 5, [], [], [], [], [], [], []),
			('5', 'x', '2026-03-01 10:00:00', 'c', 'repost', 'the same five words here', 7, 5, [], [], [], [], [], [], []),
			('6', 'x', '2026-03-01 10:00:00', 'c', 'post', 'hi', 8, 1, [], [], [], [], [], [], []),
			('7', 'x', '2026-03-01 10:00:00', 'd', 'post', 'hi', 8, 1, [], [], [], [], [], [], []),
			('8', 'x', '2026-03-01 10:00:00', 'd', 'post', 'é z0rv zorv z 0 r v', 9, 6,
				['terms', 'terms', 'terms'], ['zorv', 'zorv', 'zorv'], [3, 8, 13], [7, 12, 20],
				['squeezed', 'folded', 'squeezed'], ['leet', '', 'leet+spaced'], [1, 1, 1])`,
		// Two detections of one rule, one of them written twice.
		`INSERT INTO detections (post_id, platform, created_at, author_id, rule_id, rule_version, severity, mode, score, inserted_at) VALUES
			('8', 'x', '2026-03-01 10:00:00', 'd', 'r', 2, 'low', 'live', 1, '2026-03-01 10:00:02.500'),
			('8', 'y', '2026-03-01 10:59:00', 'd', 'r', 2, 'low', 'live', 0.5, '2026-03-01 10:59:01.500')`,
		`INSERT INTO detections (post_id, platform, created_at, author_id, rule_id, rule_version, severity, mode, score, inserted_at) VALUES
			('8', 'x', '2026-03-01 10:00:00', 'd', 'r', 2, 'low', 'live', 1, '2026-03-01 10:00:02.500')`,
		// Nine posts that one reviewer finds correct and one that he finds
		// wrong; one with two against one; one divided, one unsure; a verdict
		// that was changed; another version with nothing decided.
		`INSERT INTO feedback (post_id, platform, rule_id, rule_version, verdict, reviewer) SELECT toString(number), 'x', 'r', 2, if(number < 8, 'correct', 'wrong'), 'ana' FROM numbers(9)`,
		`INSERT INTO feedback (post_id, platform, rule_id, rule_version, verdict, reviewer, at) VALUES
			('20', 'x', 'r', 2, 'correct', 'ana', now64(3)), ('20', 'x', 'r', 2, 'correct', 'ben', now64(3)), ('20', 'x', 'r', 2, 'wrong', 'cem', now64(3)),
			('21', 'x', 'r', 2, 'correct', 'ana', now64(3)), ('21', 'x', 'r', 2, 'wrong', 'ben', now64(3)),
			('22', 'x', 'r', 2, 'unsure', 'ana', now64(3)),
			('23', 'x', 'r', 2, 'wrong', 'ana', '2026-03-01 00:00:00'),
			('24', 'x', 'r', 3, 'unsure', 'ana', now64(3))`,
		`INSERT INTO feedback (post_id, platform, rule_id, rule_version, verdict, reviewer, at) VALUES ('23', 'x', 'r', 2, 'correct', 'ana', '2026-03-02 00:00:00')`,
	} {
		if err := s.conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	for view, c := range map[string]struct {
		columns string
		want    []string
	}{
		"hits_by_rule_hour": {
			"rule_id, hour, rule_version, severity, mode, detections, posts, authors, max_score",
			[]string{"r|2026-03-01 10:00:00|2|low|live|2|2|2|1"},
		},
		"time_to_detect": {
			"rule_id, hour, detections, p50_seconds >= 1.5 AND p50_seconds <= 2.5, p99_seconds <= max_seconds, max_seconds",
			[]string{"r|2026-03-01 10:00:00|2|1|1|2.5"},
		},
		"copy_groups": {
			"day, text_hash, copies, authors, platforms, first_at, last_at, first_text",
			[]string{"2026-03-01|7|3|2|2|2026-03-01 09:00:00.000|2026-03-01 11:00:00.000|the SAME five words here"},
		},
		"evasion_seen": {
			"day, list, term, disguise, hits, posts, authors, written_as",
			[]string{"2026-03-01|terms|zorv|leet+spaced|1|1|1|z 0 r v", "2026-03-01|terms|zorv|leet|1|1|1|z0rv"},
		},
		// 10 of 11: Wilson's interval is 0.6226 to 0.9838.
		"rule_precision": {
			"rule_version, reviewed, correct, wrong, undecided, decided, round(precision, 4), round(precision_low, 4), round(precision_high, 4)",
			[]string{"2|13|10|1|2|11|0.9091|0.6226|0.9838", "3|1|0|0|1|0|null|null|null"},
		},
	} {
		cells := strings.Split(c.columns, ", ")
		for i := 0; i < len(cells); i++ { // round(x, 4) is one cell
			if strings.HasPrefix(cells[i], "round(") {
				cells[i] += ", " + cells[i+1]
				cells = append(cells[:i+1], cells[i+2:]...)
			}
			cells[i] = "ifNull(toString(" + cells[i] + "), 'null')"
		}
		got := scan(t, s.conn, "SELECT concatWithSeparator('|', "+strings.Join(cells, ", ")+") AS line FROM "+view+" ORDER BY line")
		if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
			t.Errorf("%s:\n got %q\nwant %q", view, got, c.want)
		}
	}
	err := s.conn.Exec(t.Context(), "INSERT INTO feedback (post_id, rule_id, verdict) VALUES ('1', 'r', 'perhaps')")
	if err == nil || !strings.Contains(err.Error(), "perhaps") {
		t.Errorf("a verdict that there is not: %v", err)
	}
}

// TestViewsPrune shows that a condition on a view's day or hour reaches the
// table's indexes: of posts, whole parts are left out; of detections, whose key
// begins with the rule, granules.
func TestViewsPrune(t *testing.T) {
	schemas := testSchemas()
	s := openSink(t, testConfig(t), schemas)
	f := newFiller(1)
	f.step = 3 * 3_600_000 // 6,000 rows span two years
	mustWrite(t, s, testKey(0), f.epoch(schemas, 6000))
	for sql, want := range map[string]string{
		"SELECT * FROM copy_groups WHERE day = '2023-02-01'":                       "Condition: (toDate(created_at) in [19389, 19389])",
		"SELECT * FROM evasion_seen WHERE day = '2023-02-01'":                      "Condition: (toDate(created_at) in [19389, 19389])",
		"SELECT * FROM hits_by_rule_hour WHERE hour = '2023-02-01 10:00:00'":       "Condition: (toStartOfHour(created_at) in [1675245600, 1675245600])",
		"SELECT * FROM time_to_detect WHERE rule_id = 'r' AND hour > '2023-02-01'": "toStartOfHour(created_at) in [1675209601, +Inf)",
	} {
		if got := strings.Join(scan(t, s.conn, "EXPLAIN indexes = 1 "+sql), "\n"); !strings.Contains(got, want) {
			t.Errorf("%s: no %q in\n%s", sql, want, got)
		}
	}
}
