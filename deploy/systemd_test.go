package deploy_test

import (
	"os"
	"strings"
	"testing"
	"time"
)

// unit reads a systemd unit: its settings by section and name, the last value
// of each.
func unit(t testing.TB, file string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out, section := map[string]string{}, ""
	for n, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]"):
			section = strings.Trim(line, "[]")
		default:
			key, value, ok := strings.Cut(line, "=")
			if !ok || section == "" || strings.ContainsAny(key, " \t") {
				t.Fatalf("%s:%d: %q is neither a section nor a setting", file, n+1, line)
			}
			out[section+"."+key] = value
		}
	}
	return out
}

// TestSystemdUnit holds the unit to its promises, and to the pipeline that it
// runs.
func TestSystemdUnit(t *testing.T) {
	u := unit(t, "systemd/sluice.service")
	for key, want := range map[string]string{
		"Service.DynamicUser": "yes", "Service.NoNewPrivileges": "yes", "Service.ProtectSystem": "strict", "Service.ProtectHome": "yes",
		"Service.PrivateTmp": "yes", "Service.PrivateDevices": "yes", "Service.CapabilityBoundingSet": "", "Service.RestrictSUIDSGID": "yes",
		"Service.SystemCallArchitectures": "native", "Service.KillSignal": "SIGTERM", "Service.RestartPreventExitStatus": "2",
		"Service.ExecReload": "/bin/kill -HUP $MAINPID", "Install.WantedBy": "multi-user.target",
	} {
		if got, ok := u[key]; !ok || got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	spec, _ := build(t, "rules/kafka.yaml", map[string]string{"KAFKA_BROKER": "localhost:9092", "CLICKHOUSE_DSN": "http://localhost:8123/sluice"})
	stop, err := time.ParseDuration(u["Service.TimeoutStopSec"] + "s")
	if err != nil || stop <= spec.Engine.DrainTimeout {
		t.Errorf("%s to stop (%v), and draining takes %s", stop, err, spec.Engine.DrainTimeout)
	}
	if state := "/var/lib/" + u["Service.StateDirectory"]; !strings.HasPrefix(spec.Checkpoint.Path, state+"/") {
		t.Errorf("the checkpoint %s is not in the folder %s that can be written", spec.Checkpoint.Path, state)
	}
	if spec.Admin.Listen != "127.0.0.1:9187" {
		t.Errorf("admin listens on %s where nobody asked for it", spec.Admin.Listen)
	}
	for _, key := range []string{"Service.ExecStartPre", "Service.ExecStart"} {
		f := strings.Fields(u[key])
		if len(f) != 3 || f[2] != "/etc/sluice/kafka.yaml" || f[0] != "/usr/local/bin/sluice" {
			t.Errorf("%s=%s", key, u[key])
		}
	}
}
