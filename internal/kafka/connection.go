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

	"github.com/sluicehq/sluice/pipeline"
)

// Connection says how the brokers are reached. The source and the sink embed
// it, so its fields stand at their own level.
type Connection struct {
	Brokers  []string          `koanf:"brokers" doc:"Brokers to begin with, as host:port; the others are learned from them."`
	TLS      TLS               `koanf:"tls" doc:"Encryption, and a certificate of the client."`
	SASL     SASL              `koanf:"sasl" doc:"Who the client is."`
	Settings map[string]string `koanf:"settings" doc:"Any other settings of librdkafka, by their names there; a wrong one is an error of the config."`
}

// TLS configures encryption.
type TLS struct {
	Enabled     bool            `koanf:"enabled" doc:"Use TLS."`
	CA          string          `koanf:"ca" doc:"PEM file of the authorities that sign the brokers' certificates; default: the system's."`
	Cert        string          `koanf:"cert" doc:"PEM file of the client's certificate."`
	Key         string          `koanf:"key" doc:"PEM file of the client's key."`
	KeyPassword pipeline.Secret `koanf:"key_password" doc:"Password of the key."`
	SkipVerify  bool            `koanf:"insecure_skip_verify" doc:"Accept any certificate: for tests only."`
}

// SASL configures authentication.
type SASL struct {
	Mechanism    string          `koanf:"mechanism" enum:"none,PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER" doc:"none, PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, or OAUTHBEARER with client credentials."`
	Username     string          `koanf:"username" doc:"User of PLAIN and SCRAM."`
	Password     pipeline.Secret `koanf:"password" doc:"Password of PLAIN and SCRAM."`
	TokenURL     string          `koanf:"token_url" doc:"Where OAUTHBEARER gets its token, an https address."`
	ClientID     string          `koanf:"client_id" doc:"Client of OAUTHBEARER."`
	ClientSecret pipeline.Secret `koanf:"client_secret" doc:"Secret of the OAUTHBEARER client."`
	Scope        string          `koanf:"scope" doc:"Scope that OAUTHBEARER asks for."`
}

// DefaultConnection returns a Connection with its default values.
func DefaultConnection() Connection { return Connection{SASL: SASL{Mechanism: "none"}} }

// elsewhere names the settings that have a field of their own.
func elsewhere(setting string) string {
	switch setting {
	case "bootstrap.servers", "metadata.broker.list":
		return "brokers"
	case "security.protocol", "sasl.mechanism", "sasl.mechanisms":
		return "tls.enabled and sasl.mechanism"
	case "sasl.username":
		return "sasl.username"
	case "sasl.password":
		return "sasl.password"
	case "sasl.oauthbearer.client.secret":
		return "sasl.client_secret"
	case "sasl.oauthbearer.client.id":
		return "sasl.client_id"
	case "sasl.oauthbearer.token.endpoint.url":
		return "sasl.token_url"
	case "ssl.key.password", "ssl.key.pem", "ssl.keystore.password":
		return "tls.key and tls.key_password"
	}
	return ""
}

// Validate checks the fields. Reserved has the settings that the component
// itself makes, with the reason. Errors are *pipeline.FieldError.
func (c *Connection) Validate(reserved map[string]string) (errs []error) {
	fail := func(path, format string, args ...any) {
		errs = append(errs, &pipeline.FieldError{Path: path, Err: fmt.Errorf(format, args...)})
	}
	if len(c.Brokers) == 0 {
		fail("brokers", "no broker: write host:port of one or more")
	}
	for i, b := range c.Brokers {
		if b == "" || strings.ContainsAny(b, ", \t\n") {
			fail(fmt.Sprintf("brokers.%d", i), "%q is not a host:port", b)
		}
	}
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		fail("tls", "cert and key belong together: set both or none")
	}
	if t := c.TLS; !t.Enabled && (t.CA != "" || t.Cert != "" || t.SkipVerify) {
		fail("tls.enabled", "the other fields of tls have no effect without it: set it, or leave them out")
	}
	switch s := c.SASL; s.Mechanism {
	case "none":
	case "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512":
		if s.Username == "" || s.Password == "" {
			fail("sasl", "%s needs username and password", s.Mechanism)
		}
	case "OAUTHBEARER":
		if s.TokenURL == "" || s.ClientID == "" || s.ClientSecret == "" {
			fail("sasl", "OAUTHBEARER needs token_url, client_id and client_secret")
		}
	default:
		fail("sasl.mechanism", "%q: use none, PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER", s.Mechanism)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Settings)) {
		if field := elsewhere(name); field != "" {
			fail("settings."+name, "set %s instead", field)
		} else if why := reserved[name]; why != "" {
			fail("settings."+name, "%s", why)
		} else if strings.HasPrefix(name, "go.") {
			fail("settings."+name, "it is not a setting of librdkafka")
		}
	}
	return errs
}

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
