package embedded

import (
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// role is what a request may do.
type role uint8

const (
	roleAnalyst role = iota // reads only, within limits
	roleWriter              // everything
)

// access decides who a request comes from.
type access struct {
	user, password  string
	analystPassword string
	noAnalyst       bool
	hosts           []string
}

// checkOrigin refuses what a web page of another site makes a browser send: a
// request whose Host is a foreign name (DNS rebinding), or that comes from
// another origin. Programs send none of these headers.
func (a *access) checkOrigin(r *http.Request) error {
	host := hostName(r.Host)
	if !a.knownHost(host) {
		return exceptionf(497, "ACCESS_DENIED",
			"the Host header %.140q is neither an IP address nor localhost nor an allowed host", r.Host)
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host) {
			return exceptionf(497, "ACCESS_DENIED", "requests from web pages of %.140q are not allowed", origin)
		}
	}
	switch site := r.Header.Get("Sec-Fetch-Site"); site {
	case "", "same-origin", "none":
		return nil
	default:
		return exceptionf(497, "ACCESS_DENIED", "a %.40s request of a web page is not allowed", site)
	}
}

// knownHost reports whether host is a name that no other site can point here:
// an address, localhost, or one of the configured names.
func (a *access) knownHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	host = strings.ToLower(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.Contains(a.hosts, host)
}

func hostName(hostport string) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}

// authenticate reads the credentials in the order that ClickHouse does:
// headers, basic authentication, URL. No credentials, or the user "default" or
// "analyst", are the analyst's.
func (a *access) authenticate(r *http.Request, u url.Values) (role, error) {
	user, password := r.Header.Get("X-ClickHouse-User"), r.Header.Get("X-ClickHouse-Key")
	if user == "" && password == "" {
		if basicUser, basicPassword, ok := r.BasicAuth(); ok {
			user, password = basicUser, basicPassword
		} else {
			user, password = u.Get("user"), u.Get("password")
		}
	}
	switch user {
	case a.user:
		if a.password != "" && sameSecret(password, a.password) {
			return roleWriter, nil
		}
	case "", "default", AnalystUser:
		if !a.noAnalyst && (a.analystPassword == "" && password == "" || a.analystPassword != "" && sameSecret(password, a.analystPassword)) {
			return roleAnalyst, nil
		}
	}
	return 0, exceptionf(codeAuthFailed, "AUTHENTICATION_FAILED",
		"%.64q: Authentication failed: password is incorrect, or there is no user with such name", user)
}

func sameSecret(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// analystSettings picks from the settings of an analyst's URL those that may
// be changed, and refuses the rest as ClickHouse's read-only mode does. maxTime
// is the ceiling of max_execution_time in seconds.
func analystSettings(settings []setting, maxTime int) ([]setting, error) {
	out := make([]setting, 0, len(settings))
	for _, s := range settings {
		switch {
		case s.name == "readonly" && (s.value == "1" || s.value == "2"):
			// What clients send to be safe. It is on anyway.
		case s.name == "max_execution_time":
			var seconds int
			if err := parseInt(s.name, s.value, 0, 1<<31, &seconds); err != nil {
				return nil, err
			}
			if seconds == 0 || maxTime > 0 && seconds > maxTime {
				continue // the ceiling stays
			}
			out = append(out, s)
		case analystMayChange(s.name):
			out = append(out, s)
		default:
			return nil, exceptionf(codeReadonly, "READONLY", "Cannot modify '%s' setting in readonly mode", s.name)
		}
	}
	return out, nil
}

// analystMayChange lists settings that change how a result looks or make a
// query stricter, and that name no file and raise no limit.
func analystMayChange(name string) bool {
	switch name {
	case "max_block_size", "max_result_rows", "max_result_bytes", "result_overflow_mode",
		"max_rows_to_read", "max_bytes_to_read", "read_overflow_mode", "extremes", "join_use_nulls",
		"limit", "offset", "final", "session_timezone", "date_time_output_format", "log_comment",
		"use_uncompressed_cache", "prefer_column_name_to_alias", "union_default_mode", "max_rows_to_group_by",
		"group_by_overflow_mode", "timeout_overflow_mode", "format_csv_delimiter",
		"format_csv_null_representation", "format_tsv_null_representation", "log_queries",
		"http_receive_timeout", "http_send_timeout", "receive_timeout", "send_timeout":
		return true
	}
	for _, prefix := range [...]string{
		"output_format_json_", "output_format_csv_", "output_format_tsv_", "output_format_pretty_",
		"output_format_arrow_", "output_format_parquet_", "output_format_decimal_", "output_format_native_",
		"output_format_binary_", "output_format_write_statistics",
	} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
