package alert

import (
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestMetrics(t *testing.T) {
	in := newReceiver(t)
	in.answer = func(call int, w http.ResponseWriter, _ *http.Request) bool {
		if call == 1 {
			w.WriteHeader(500)
		}
		return call == 1
	}
	r := opened(t, testConfig(t, map[string]Target{"hook": webhook(in.URL)}))
	r.put(t, 1, det("r1", "ann", 0), det("r2", "ann", 0))
	r.idle(t)
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(r.Sink)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			var name strings.Builder
			name.WriteString(f.GetName())
			for _, l := range m.Label {
				if l.GetName() == "state" || l.GetName() == "result" || l.GetName() == "reason" {
					name.WriteString(" " + l.GetValue())
				}
			}
			got[name.String()] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	for name, want := range map[string]float64{
		"sluice_alert_alerts firing": 2, "sluice_alert_alerts waiting": 0, "sluice_alert_queue_length": 0,
		"sluice_alert_deliveries_total sent": 2, "sluice_alert_deliveries_total retried": 1, "sluice_alert_deliveries_total dead": 0,
		"sluice_alert_suppressed_total silenced": 0, "sluice_alert_suppressed_total held": 0, "sluice_alert_silences": 0,
		"sluice_alert_reports_waiting": 0, "sluice_alert_reports_lost_total": 0,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s = %v, want %v (%v)", name, v, want, got)
		}
	}
}
