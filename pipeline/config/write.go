package config

import (
	"fmt"
	"strconv"
	"strings"
)

// WriteValue writes a plain value, such as Field.Default, in one line of YAML
// that reads back as the same; "" for nil.
func WriteValue(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case uint64:
		return strconv.FormatUint(v, 10)
	case float64:
		return strings.Replace(strconv.FormatFloat(v, 'g', -1, 64), "e+", "e", 1)
	case string:
		return writeText(v)
	case []any:
		parts := make([]string, 0, len(v))
		for _, e := range v {
			parts = append(parts, orNull(WriteValue(e)))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		parts := make([]string, 0, len(v))
		for _, k := range sortedKeys(v) {
			parts = append(parts, writeText(k)+": "+orNull(WriteValue(v[k])))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return writeText(fmt.Sprint(v))
}

func orNull(s string) string {
	if s == "" {
		return "null"
	}
	return s
}

// writeText leaves text bare where YAML reads it back as the same text.
func writeText(s string) string {
	escaped := strings.ReplaceAll(s, "${", "$${")
	bare := &node{plain: true, text: s}
	if escaped == s && !bare.isNull() && !bare.isBool() && !bare.isNumber() && bareText(s) {
		return s
	}
	return string(appendJSONString(nil, escaped))
}

// bareText is stricter than YAML: letters and digits first, then a few signs
// that mean nothing in YAML; a colon only between two other characters.
func bareText(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		sign := i > 0 && (strings.IndexByte("_-./+", c) >= 0 || strings.IndexByte(": ", c) >= 0 && i+1 < len(s) && s[i+1] != ' ' && s[i-1] != ':')
		start := i == 0 && (c == '/' || c == '.' || c == '_')
		if !letter && !sign && !start {
			return false
		}
	}
	switch strings.ToLower(s) {
	case "", "yes", "no", "on", "y", "n", "true", "false", ".", "..", "...":
		return false
	}
	return true
}
