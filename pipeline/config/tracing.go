package config

import (
	"net/url"

	"github.com/sluicehq/sluice/pipeline"
)

// Tracing says whether the times of epochs are told to an OpenTelemetry
// collector.
type Tracing struct {
	Enabled  bool                       `koanf:"enabled" doc:"Send an OpenTelemetry trace of each epoch to a collector by OTLP over HTTP. The standard variables OTEL_EXPORTER_OTLP_* (timeout, compression, certificates too), OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES and OTEL_TRACES_SAMPLER hold where nothing is said here. OTEL_SDK_DISABLED=true switches it off."`
	Endpoint string                     `koanf:"endpoint" doc:"URL of the collector; /v1/traces is added when it has no path. Empty takes OTEL_EXPORTER_OTLP_ENDPOINT, else http://localhost:4318." example:"http://127.0.0.1:4318"`
	Headers  map[string]pipeline.Secret `koanf:"headers" doc:"Headers of each request, such as a token's."`
	Ratio    float64                    `koanf:"ratio" doc:"Part of the epochs that is traced. At 1 OTEL_TRACES_SAMPLER decides, and all are where that is not set." min:"0" max:"1"`
}

// URL returns where requests go: the endpoint with its path; empty when there
// is none. The config has checked it.
func (t Tracing) URL() string {
	u, fault := t.url()
	if u == nil || fault != "" {
		return ""
	}
	return u.String()
}

func (t Tracing) url() (u *url.URL, fault string) {
	if t.Endpoint == "" {
		return nil, ""
	}
	u, err := url.Parse(t.Endpoint)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return nil, "want a URL with http or https and a host"
	case u.User != nil, u.RawQuery != "", u.Fragment != "":
		return nil, "a user, a query or a fragment has no place in it: a token belongs into tracing.headers"
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/v1/traces"
	}
	return u, ""
}
