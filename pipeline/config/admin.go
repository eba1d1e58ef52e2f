package config

import (
	"fmt"
	"net"

	"github.com/sluicehq/sluice/pipeline"
)

// Admin is the HTTP listener of metrics, health and what a reload has changed.
type Admin struct {
	Listen       string          `koanf:"listen" doc:"Address of the HTTP listener for metrics, health, reloads and profiles; off (or an empty text) for none. One that is not on loopback needs a token and tls." example:"127.0.0.1:9090"`
	Token        pipeline.Secret `koanf:"token" doc:"Bearer token that requests must have, but those of /healthz and /readyz. At least 16 characters."`
	MetricsToken pipeline.Secret `koanf:"metrics_token" doc:"A token that is good for /metrics alone, for what collects them; token is good for it too. At least 16 characters."`
	OpenMetrics  bool            `koanf:"open_metrics" doc:"Answer /metrics without a token. They name steps, sinks, partitions and rules' lists, and show no post."`
	TLS          AdminTLS        `koanf:"tls" doc:"HTTPS in place of HTTP, TLS 1.2 or later. The files are read again when they have changed."`
}

// AdminTLS names the files of HTTPS.
type AdminTLS struct {
	Cert     string `koanf:"cert" doc:"PEM file of the certificate and its chain; relative to the pipeline file's folder."`
	Key      string `koanf:"key" doc:"PEM file of the certificate's key."`
	ClientCA string `koanf:"client_ca" doc:"PEM file of authorities; requests but those of /healthz and /readyz then need a client certificate of one of them too."`
}

// Enabled tells whether there is to be a listener.
func (a Admin) Enabled() bool { return a.Listen != "" && a.Listen != "off" }

// minToken is the least length of a token: a short one can be guessed.
const minToken = 16

// check tells by fail what is wrong.
func (a Admin) check(found string, fail func(path, msg, hint string)) {
	if !a.Enabled() {
		return
	}
	for _, t := range []struct {
		path  string
		value pipeline.Secret
	}{{"admin.token", a.Token}, {"admin.metrics_token", a.MetricsToken}} {
		if n := len(t.value.Reveal()); n > 0 && n < minToken {
			fail(t.path, fmt.Sprintf("a token of less than %d characters can be guessed", minToken), "make one with `openssl rand -hex 32`")
		}
	}
	if a.MetricsToken != "" && a.Token == "" {
		fail("admin.metrics_token", "it is good for /metrics alone, and all else has no token", "set admin.token too")
	}
	if (a.TLS.Cert == "") != (a.TLS.Key == "") {
		fail("admin.tls", "a certificate needs its key", "set both cert and key")
	}
	if a.TLS.ClientCA != "" && a.TLS.Cert == "" {
		fail("admin.tls.client_ca", "client certificates need tls", "set admin.tls.cert and admin.tls.key too")
	}
	host, _, err := net.SplitHostPort(a.Listen)
	if err != nil {
		fail("admin.listen", "want host:port, found "+found, "write for example 127.0.0.1:9187, or off")
		return
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return
	}
	if a.Token == "" {
		fail("admin.listen", "it is not on loopback and there is no token, so everybody could read metrics and take profiles", "set admin.token, or listen on 127.0.0.1")
	}
	if a.TLS.Cert == "" {
		fail("admin.listen", "it is not on loopback and there is no tls, so the token could be read on the way", "set admin.tls.cert and admin.tls.key, or listen on 127.0.0.1")
	}
}
