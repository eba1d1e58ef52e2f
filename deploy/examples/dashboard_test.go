package examples_test

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// dashboard is what we use of Grafana's form of a dashboard; a key that is not
// here is an error.
type dashboard struct {
	UID           string                    `json:"uid"`
	Title         string                    `json:"title"`
	Tags          []string                  `json:"tags"`
	SchemaVersion int                       `json:"schemaVersion"`
	Version       int                       `json:"version"`
	Editable      bool                      `json:"editable"`
	Timezone      string                    `json:"timezone"`
	Refresh       string                    `json:"refresh"`
	Time          struct{ From, To string } `json:"time"`
	Templating    map[string]any            `json:"templating"`
	Annotations   map[string]any            `json:"annotations"`
	Panels        []panel                   `json:"panels"`
}

type panel struct {
	ID          int                      `json:"id"`
	Title       string                   `json:"title"`
	Description string                   `json:"description"`
	Type        string                   `json:"type"`
	Datasource  datasource               `json:"datasource"`
	GridPos     struct{ X, Y, W, H int } `json:"gridPos"`
	FieldConfig map[string]any           `json:"fieldConfig"`
	Options     map[string]any           `json:"options"`
	Targets     []struct {
		RefID      string     `json:"refId"`
		Datasource datasource `json:"datasource"`
		EditorType string     `json:"editorType"`
		QueryType  string     `json:"queryType"`
		Format     int        `json:"format"`
		RawSQL     string     `json:"rawSql"`
	} `json:"targets"`
}

type datasource struct{ Type, UID string }

var timeFilter = regexp.MustCompile(`\$__timeFilter\((\w+)\)`)

// expand does what Grafana's ClickHouse source does with its macros. The range
// is from before the example's posts to after the test's clock.
func expand(sql string) string {
	const from, to = "toDateTime('2025-01-01 00:00:00')", "toDateTime('2100-01-01 00:00:00')"
	sql = timeFilter.ReplaceAllString(sql, "$1 >= "+from+" AND $1 <= "+to)
	return strings.NewReplacer("$__fromTime", from, "$__toTime", to).Replace(sql)
}

// runDashboard runs every query of the dashboard on the example's rows.
func runDashboard(t *testing.T, conn driver.Conn) {
	data, err := os.ReadFile("../grafana/dashboards/sluice.json")
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		t.Fatal(err)
	}
	if d.UID == "" || d.Title == "" || len(d.Panels) < 5 {
		t.Errorf("uid %q, title %q, %d panels", d.UID, d.Title, len(d.Panels))
	}
	ids := map[int]bool{}
	for i, p := range d.Panels {
		if ids[p.ID] || p.GridPos.X+p.GridPos.W > 24 || p.GridPos.W == 0 || p.GridPos.H == 0 || p.Title == "" || p.Description == "" || len(p.Targets) == 0 {
			t.Errorf("panel %d (%s): its id is taken, it is off the grid, or it lacks title, description or query", p.ID, p.Title)
		}
		ids[p.ID] = true
		for _, q := range d.Panels[:i] {
			a, b := p.GridPos, q.GridPos
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("panels %q and %q overlap", p.Title, q.Title)
			}
		}
		for _, target := range p.Targets {
			if target.Datasource != p.Datasource || p.Datasource.UID != "sluice-clickhouse" {
				t.Errorf("%s: datasource %v", p.Title, target.Datasource)
			}
			sql := expand(target.RawSQL)
			if strings.Contains(sql, "$") {
				t.Errorf("%s: a macro that the test does not know in\n%s", p.Title, sql)
				continue
			}
			r, err := ask(t.Context(), conn, sql)
			switch {
			case err != nil:
				t.Errorf("%s: %v in\n%s", p.Title, err, sql)
			case len(r.rows) == 0 && p.Title != "Rejected records": // the example has none
				t.Errorf("%s: no rows from\n%s", p.Title, sql)
			case p.Type == "timeseries" && r.columns[0] != "time":
				t.Errorf("%s: the first column is %s, want time", p.Title, r.columns[0])
			}
		}
	}
}
