package deploy_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/admin"
	"github.com/sluicehq/sluice/pipeline/config"
)

// composeFile is what we use of the Compose specification.
type composeFile struct {
	Name     string             `yaml:"name"`
	Services map[string]service `yaml:"services"`
	Volumes  map[string]any     `yaml:"volumes"`
}

type service struct {
	Image string `yaml:"image"`
	Build struct {
		Context    string `yaml:"context"`
		Dockerfile string `yaml:"dockerfile"`
		Target     string `yaml:"target"`
	} `yaml:"build"`
	Command     []string          `yaml:"command"`
	Entrypoint  []string          `yaml:"entrypoint"`
	User        string            `yaml:"user"`
	Environment map[string]string `yaml:"environment"`
	Ports       []string          `yaml:"ports"`
	Volumes     []string          `yaml:"volumes"`
	DependsOn   map[string]struct {
		Condition string `yaml:"condition"`
	} `yaml:"depends_on"`
	Healthcheck struct {
		Test     []string `yaml:"test"`
		Interval string   `yaml:"interval"`
		Timeout  string   `yaml:"timeout"`
		Retries  int      `yaml:"retries"`
	} `yaml:"healthcheck"`
	Ulimits         map[string]map[string]int `yaml:"ulimits"`
	ReadOnly        bool                      `yaml:"read_only"`
	CapDrop         []string                  `yaml:"cap_drop"`
	SecurityOpt     []string                  `yaml:"security_opt"`
	StopGracePeriod time.Duration             `yaml:"stop_grace_period"`
	Restart         string                    `yaml:"restart"`
}

// pinned is an image of a named version, from the registry that a short name
// means.
var pinned = regexp.MustCompile(`^([a-z0-9-]+/)?[a-z0-9-]+:v?[0-9]+[0-9A-Za-z.-]*$`)

func TestCompose(t *testing.T) {
	const dir = "compose"
	c := one[composeFile](t, dir+"/compose.yaml")
	for _, want := range []string{"kafka", "clickhouse", "grafana", "prometheus", "alertmanager", "sluice"} {
		if _, ok := c.Services[want]; !ok {
			t.Errorf("no service %s", want)
		}
	}
	for name, s := range c.Services {
		if s.Build.Context == "" && !pinned.MatchString(s.Image) {
			t.Errorf("%s: the image %q is not one of a version", name, s.Image)
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s: port %s is open to the network", name, p)
			}
		}
		for _, v := range s.Volumes {
			from, _, _ := strings.Cut(v, ":")
			if _, named := c.Volumes[from]; named {
				continue
			}
			if _, err := os.Stat(filepath.Join(dir, from)); err != nil || !strings.HasPrefix(from, ".") || !strings.HasSuffix(v, ":ro") {
				t.Errorf("%s: volume %s: not a volume of the file, nor a folder that is there and read only (%v)", name, v, err)
			}
		}
		for on, d := range s.DependsOn {
			other, ok := c.Services[on]
			switch {
			case !ok:
				t.Errorf("%s depends on %s, which is not there", name, on)
			case d.Condition == "service_healthy" && len(other.Healthcheck.Test) == 0:
				t.Errorf("%s waits for %s to be healthy, which has no check", name, on)
			case d.Condition != "service_healthy" && d.Condition != "service_completed_successfully":
				t.Errorf("%s: condition %q", name, d.Condition)
			}
		}
	}
	sluice := c.Services["sluice"]
	if !sluice.ReadOnly || !slices.Contains(sluice.CapDrop, "ALL") || !slices.Contains(sluice.SecurityOpt, "no-new-privileges:true") {
		t.Error("sluice runs with more rights than it needs")
	}
	stages := dockerStages(t)
	if _, err := os.Stat(filepath.Join(dir, sluice.Build.Context, sluice.Build.Dockerfile)); err != nil || !slices.Contains(stages, sluice.Build.Target) {
		t.Errorf("sluice is built from %+v: %v, stages %v", sluice.Build, err, stages)
	}
	env := map[string]string{}
	for k, v := range sluice.Environment {
		env[k] = strings.ReplaceAll(required.ReplaceAllString(v, "secret"), "$$", "$")
	}
	access := makeAccess(t) // what the service access puts at /run/access
	for k, v := range env {
		env[k] = strings.ReplaceAll(v, "/run/access", access)
	}
	if !slices.Contains(c.Services["access"].Volumes, "access:/access") || !slices.Equal(c.Services["access"].Entrypoint, []string{"/bin/sh", "/access.sh", "/access"}) {
		t.Errorf("the service access is %+v", c.Services["access"])
	}
	spec, g := build(t, "rules/kafka.yaml", env)
	if spec.Admin.Listen != "0.0.0.0:9187" || sluice.StopGracePeriod <= spec.Engine.DrainTimeout {
		t.Errorf("admin %s; %s to stop, and draining takes %s", spec.Admin.Listen, sluice.StopGracePeriod, spec.Engine.DrainTimeout)
	}
	if !slices.Contains(sluice.Volumes, "access:/run/access:ro") || !slices.Contains(c.Services["prometheus"].Volumes, "access:/run/access:ro") {
		t.Error("what the service access makes is not mounted")
	}
	checkScrape(t, access, spec)
	if len(g.Nodes) < 6 {
		t.Errorf("%d nodes", len(g.Nodes))
	}
	if !slices.Contains(sluice.Volumes, "sluice:"+filepath.Dir(spec.Checkpoint.Path)) {
		t.Errorf("the checkpoint %s is in none of %v", spec.Checkpoint.Path, sluice.Volumes)
	}
}

// makeAccess runs the script of the service access and returns its folder.
func makeAccess(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not there: what the admin port is given can not be made")
	}
	dir := t.TempDir()
	for range 2 { // the second time it changes nothing
		before, _ := os.ReadFile(dir + "/sluice/token")
		if out, err := exec.CommandContext(t.Context(), "sh", "compose/access.sh", dir).CombinedOutput(); err != nil {
			t.Fatalf("access.sh: %v\n%s", err, out)
		}
		if after, err := os.ReadFile(dir + "/sluice/token"); err != nil || len(before) > 0 && !bytes.Equal(before, after) {
			t.Fatalf("the token has changed (%v)", err)
		}
	}
	for _, name := range []string{"sluice/key.pem", "sluice/token", "sluice/metrics_token", "prometheus/token"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, mode %v", name, err, info.Mode())
		}
	}
	return dir
}

// checkScrape serves the admin port with what the service access has made, and
// scrapes it as prometheus.yaml says.
func checkScrape(t *testing.T, access string, spec *config.Spec) {
	t.Helper()
	a := spec.Admin
	s, err := admin.Start(admin.Options{
		Listen: "127.0.0.1:0", Token: a.Token, MetricsToken: a.MetricsToken, Cert: a.TLS.Cert, Key: a.TLS.Key,
		Ready: func() bool { return true }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop(context.Background())
	job := one[prometheusFile](t, "prometheus/prometheus.yaml").Scrape[0]
	read := func(path string) []byte {
		data, err := os.ReadFile(strings.Replace(path, "/run/access", access, 1))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(read(job.TLS.CA)) {
		t.Fatal("the CA file holds no certificate")
	}
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: job.TLS.ServerName}}
	defer tr.CloseIdleConnections()
	for path, want := range map[string]int{"/metrics": http.StatusOK, "/debug/pprof/": http.StatusUnauthorized} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, job.Scheme+"://"+s.Addr()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", job.Authorization.Type+" "+strings.TrimSpace(string(read(job.Authorization.CredentialsFile))))
		r, err := (&http.Client{Transport: tr}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != want {
			t.Errorf("%s with Prometheus' token: %d, want %d", path, r.StatusCode, want)
		}
	}
}

// required is a variable that Compose must be given.
var required = regexp.MustCompile(`\$\{[A-Z_]+:\?[^}]*\}`)

// TestProvisioning holds Grafana's source to the service and the dashboard's uid.
func TestProvisioning(t *testing.T) {
	sources := one[struct {
		APIVersion  int `yaml:"apiVersion"`
		Datasources []struct {
			Name, UID, Type string
			JSONData        struct {
				Host, Protocol, Username string
				Port                     int
				DefaultDatabase          string `yaml:"defaultDatabase"`
			} `yaml:"jsonData"`
			SecureJSONData map[string]string `yaml:"secureJsonData"`
		}
	}](t, "grafana/provisioning/datasources/clickhouse.yaml")
	c := one[composeFile](t, "compose/compose.yaml")
	ds := sources.Datasources[0]
	grafana := c.Services["grafana"]
	if _, ok := c.Services[ds.JSONData.Host]; !ok || ds.UID != "sluice-clickhouse" || ds.JSONData.Username != c.Services["clickhouse"].Environment["CLICKHOUSE_USER"] ||
		!strings.HasPrefix(grafana.Environment["GF_PLUGINS_PREINSTALL"], ds.Type+"@") {
		t.Errorf("the source %+v does not fit the services", ds)
	}
	name := strings.TrimPrefix(ds.SecureJSONData["password"], "$")
	if _, ok := grafana.Environment[name]; !ok {
		t.Errorf("grafana has no variable %s", name)
	}
	boards := one[struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name, Type string
			Options    struct{ Path string }
		}
	}](t, "grafana/provisioning/dashboards/sluice.yaml")
	if path := boards.Providers[0].Options.Path; !slices.Contains(grafana.Volumes, "../grafana/dashboards:"+path+":ro") {
		t.Errorf("dashboards are looked for in %s, which is none of %v", path, grafana.Volumes)
	}
}
