// Package kafkaconfig says in a config how brokers of Kafka are reached. It
// knows no client, so that an operator can have such a config too.
package kafkaconfig

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluicehq/sluice/pipeline"
)

// Connection says how the brokers are reached. The source, the sink and the
// step embed it, so its fields stand at their own level.
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
