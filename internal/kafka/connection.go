// Package kafka is what the Kafka source and the Kafka sink share: how brokers
// are reached, settings of librdkafka and their check, its logs as ours, and
// which of its errors pass.
package kafka

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/sluicehq/sluice/internal/kafkaconfig"
	"github.com/sluicehq/sluice/pipeline"
)

// Connection is a [kafkaconfig.Connection] that librdkafka can be given. The
// source and the sink embed it.
type Connection struct{ kafkaconfig.Connection }

// DefaultConnection returns a Connection with its default values.
func DefaultConnection() Connection { return Connection{kafkaconfig.DefaultConnection()} }

// Map returns librdkafka's configuration: the component's own settings over
// those of the config over the defaults.
func (c *Connection) Map(defaults, own kafka.ConfigMap) *kafka.ConfigMap {
	m := kafka.ConfigMap{}
	maps.Copy(m, defaults)
	for k, v := range c.Settings {
		m[k] = v
	}
	m["bootstrap.servers"] = strings.Join(c.Brokers, ",")
	protocol := "PLAINTEXT"
	if c.TLS.Enabled {
		protocol = "SSL"
		set(m, "ssl.ca.location", c.TLS.CA)
		set(m, "ssl.certificate.location", c.TLS.Cert)
		set(m, "ssl.key.location", c.TLS.Key)
		set(m, "ssl.key.password", c.TLS.KeyPassword.Reveal())
		if c.TLS.SkipVerify {
			m["enable.ssl.certificate.verification"] = false
		}
	}
	if c.SASL.Mechanism != "none" {
		protocol = map[bool]string{true: "SASL_SSL", false: "SASL_PLAINTEXT"}[c.TLS.Enabled]
		m["sasl.mechanisms"] = c.SASL.Mechanism
		set(m, "sasl.username", c.SASL.Username)
		set(m, "sasl.password", c.SASL.Password.Reveal())
		if c.SASL.Mechanism == "OAUTHBEARER" {
			m["sasl.oauthbearer.method"] = "oidc"
			m["sasl.oauthbearer.token.endpoint.url"] = c.SASL.TokenURL
			m["sasl.oauthbearer.client.id"] = c.SASL.ClientID
			m["sasl.oauthbearer.client.secret"] = c.SASL.ClientSecret.Reveal()
			set(m, "sasl.oauthbearer.scope", c.SASL.Scope)
		}
	}
	m["security.protocol"] = protocol
	maps.Copy(m, own)
	return &m
}

func set(m kafka.ConfigMap, name, value string) {
	if value != "" {
		m[name] = value
	}
}

// Check has librdkafka look at the settings by building a client that knows no
// broker, so nothing is connected to. The error is a *pipeline.FieldError that
// names the setting, if librdkafka does.
func (c *Connection) Check(m *kafka.ConfigMap, producer bool) error {
	alone := kafka.ConfigMap{}
	maps.Copy(alone, *m)
	for name := range alone {
		if strings.HasPrefix(name, "go.logs") {
			delete(alone, name)
		}
	}
	delete(alone, "bootstrap.servers")
	alone["log_level"] = 0 // it would complain of having no broker
	var err error
	if producer {
		var p *kafka.Producer
		if p, err = kafka.NewProducer(&alone); err == nil {
			p.Close()
			return nil
		}
	} else {
		var k *kafka.Consumer
		if k, err = kafka.NewConsumer(&alone); err == nil {
			return k.Close()
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Settings)) {
		if strings.Contains(err.Error(), `"`+name+`"`) || strings.Contains(err.Error(), "`"+name+"`") {
			return &pipeline.FieldError{Path: "settings." + name, Err: c.hide(err)}
		}
	}
	return &pipeline.FieldError{Err: fmt.Errorf("librdkafka refuses the config: %w", c.hide(err))}
}

// hide takes the secrets out of an error's text.
func (c *Connection) hide(err error) error {
	text := err.Error()
	for _, s := range []pipeline.Secret{c.SASL.Password, c.SASL.ClientSecret, c.TLS.KeyPassword} {
		if s != "" {
			text = strings.ReplaceAll(text, s.Reveal(), s.String())
		}
	}
	return errors.New(text)
}
