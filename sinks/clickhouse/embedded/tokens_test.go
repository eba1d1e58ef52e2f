package embedded

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// TestKilledBetweenTokenAndPart leaves behind what a kill between the writing of
// an INSERT's token and the naming of its part does. The INSERT that is tried
// again must bring its rows, and one that was done must not.
func TestKilledBetweenTokenAndPart(t *testing.T) {
	needLibrary(t)
	path := filepath.Join(t.TempDir(), "data")
	in := func(f func(clickhouse.Conn)) {
		t.Helper()
		e, err := Start(t.Context(), testOptions(path))
		must(t, err)
		conn := open(t, e.DSN("default"), clickhouse.CompressionNone)
		f(conn)
		must(t, conn.Close())
		must(t, e.Stop(t.Context()))
	}
	var table, part string
	in(func(conn clickhouse.Conn) {
		must(t, conn.Exec(t.Context(), "CREATE TABLE t"+windowed))
		must(t, insertToken(t.Context(), conn, "done", 10))
		must(t, insertToken(t.Context(), conn, "cut", 7))
		must(t, conn.QueryRow(t.Context(), "SELECT data_paths[1] FROM system.tables WHERE database = 'default' AND name = 't'").Scan(&table))
		must(t, conn.QueryRow(t.Context(), "SELECT name FROM system.parts WHERE table = 't' AND active AND rows = 7").Scan(&part))
	})
	must(t, os.RemoveAll(filepath.Join(table, part)))
	in(func(conn clickhouse.Conn) {
		if n := count(t, conn, "SELECT count() FROM t"); n != 10 {
			t.Fatalf("%d rows, want those of the first insert", n)
		}
		must(t, insertToken(t.Context(), conn, "cut", 7))
		must(t, insertToken(t.Context(), conn, "cut", 7))
		must(t, insertToken(t.Context(), conn, "done", 10))
		if n := count(t, conn, "SELECT count() FROM t"); n != 17 {
			t.Errorf("%d rows after both inserts were tried again, want 17", n)
		}
		must(t, conn.Exec(t.Context(), "OPTIMIZE TABLE t FINAL"))
	})
	in(func(conn clickhouse.Conn) { // the part is merged with others
		must(t, insertToken(t.Context(), conn, "cut", 7))
		must(t, insertToken(t.Context(), conn, "done", 10))
		if n := count(t, conn, "SELECT count() FROM t"); n != 17 {
			t.Errorf("%d rows after a merge and a start, want 17", n)
		}
	})
}

func TestKeepWritten(t *testing.T) {
	b := blocks{}
	for _, name := range []string{"all_1_3_1", "all_4_4_0", "2026_7_9_2_11"} {
		partition, first, last, ok := parsePart(name)
		if !ok {
			t.Fatalf("%s is no part", name)
		}
		b[partition] = append(b[partition], [2]uint64{first, last})
	}
	log := strings.Join([]string{
		"1\tall_2_2_0\tmerged",
		"1\tall_4_4_0\tits number was given again",
		"1\tall_4_4_0\tthere",
		"1\tall_5_5_0\tnever written",
		"1\t2026_8_8_0\tmerged and mutated",
		"1\t2027_8_8_0\tof another partition",
		"2\tall_6_6_0\ttaken out by the engine",
		"what a later version writes",
		"1\tall_9_9_0\ttorn",
	}, "\n")
	kept, dropped := keepWritten([]byte(log), b)
	want := strings.Join([]string{
		"1\tall_2_2_0\tmerged",
		"1\tall_4_4_0\tthere",
		"1\t2026_8_8_0\tmerged and mutated",
		"2\tall_6_6_0\ttaken out by the engine",
		"what a later version writes",
	}, "\n") + "\n"
	if string(kept) != want || dropped != 4 {
		t.Errorf("%d dropped, want 4; kept\n%swant\n%s", dropped, kept, want)
	}
	for _, name := range []string{"tmp_insert_all_4_4_0", "delete_tmp_all_1_1_0", "detached", "all_1_x_0", "all_1_2", ""} {
		if _, _, _, ok := parsePart(name); ok {
			t.Errorf("%q is taken for a part", name)
		}
	}
}
