package kafka

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/internal/kafkaconfig"
	"github.com/sluicehq/sluice/pipeline"
)

// paths returns the fields that an error names.
func paths(err error) (out []string) {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range j.Unwrap() {
			out = append(out, paths(e)...)
		}
		return out
	}
	var fe *pipeline.FieldError
	if errors.As(err, &fe) {
		return []string{fe.Path}
	}
	if err != nil {
		return []string{"?" + err.Error()}
	}
	return nil
}

// TestConfig checks that each mistake is found when planning, at its field, and
// that no secret is shown.
func TestConfig(t *testing.T) {
	const secret = "hush-hush"
	for _, c := range []struct {
		name string
		set  func(*Config)
		want []string
	}{
		{"fine", func(*Config) {}, nil},
		{"settings", func(c *Config) {
			c.Settings = map[string]string{"fetch.min.bytes": "1000", "isolation.level": "read_uncommitted"}
		}, nil},
		{"unknown setting", func(c *Config) { c.Settings = map[string]string{"fetch.min.byte": "1"} }, []string{"settings.fetch.min.byte"}},
		{"wrong value", func(c *Config) { c.Settings = map[string]string{"fetch.min.bytes": "many"} }, []string{"settings.fetch.min.bytes"}},
		{"reserved", func(c *Config) {
			c.Settings = map[string]string{"group.id": "x", "sasl.password": "x", "go.batch.producer": "true"}
		}, []string{"settings.go.batch.producer", "settings.group.id", "settings.sasl.password"}},
		{"nothing", func(c *Config) { c.Brokers, c.Topics = nil, nil }, []string{"brokers", "topics"}},
		{"topics", func(c *Config) { c.Topics = []string{"a/b", "x", "x"} }, []string{"topics.0", "topics.2"}},
		{"start", func(c *Config) { c.Start = "yesterday" }, []string{"start"}},
		{"offsets", func(c *Config) { c.Offsets = map[string]int64{"posts/0": -1, "posts": 0, "other/0": 3} }, []string{"offsets.other/0", "offsets.posts", "offsets.posts/0"}},
		{"enums", func(c *Config) { c.Messages, c.Tombstones, c.OnLost = "x", "x", "x" }, []string{"messages", "tombstones", "on_lost"}},
		{"ranges", func(c *Config) { c.Consumers, c.Prefetch, c.ChunkSize = 0, 1, 1 }, []string{"consumers", "prefetch", "chunk_size"}},
		{"columns", func(c *Config) { c.KeyColumn, c.TimeColumn = "k", "k" }, []string{"time_column"}},
		{"standard column", func(c *Config) { c.KeyColumn = "text" }, []string{""}},
		{"sasl", func(c *Config) { c.SASL.Mechanism = "PLAIN" }, []string{"sasl"}},
		{"oauth", func(c *Config) { c.SASL.Mechanism = "OAUTHBEARER"; c.SASL.ClientSecret = secret }, []string{"sasl"}},
		{"oauth whole", func(c *Config) {
			c.TLS.Enabled = true
			c.SASL = kafkaconfig.SASL{Mechanism: "OAUTHBEARER", TokenURL: "https://127.0.0.1:1/token", ClientID: "me", ClientSecret: secret}
		}, nil},
		{"key file", func(c *Config) {
			c.TLS.Enabled, c.TLS.Cert, c.TLS.Key, c.TLS.KeyPassword = true, "/absent.pem", "/absent.key", secret
		}, []string{""}},
		{"tls off", func(c *Config) { c.TLS.CA = "x" }, []string{"tls.enabled"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := Defaults()
			cfg.Brokers, cfg.Topics = []string{"127.0.0.1:1"}, []string{"posts"}
			c.set(&cfg)
			_, err := newPlan(pipeline.BuildContext{Pipeline: "p", Mem: memory.DefaultAllocator}, &cfg)
			if got := paths(err); !slices.Equal(got, c.want) {
				t.Errorf("errors at %q, want %q: %v", got, c.want, err)
			}
			if all := fmt.Sprintf("%v %+v %#v", err, cfg, cfg); strings.Contains(all, secret) {
				t.Errorf("a secret is shown: %s", all)
			}
		})
	}
}
