package pipeline

import (
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
)

// Secret is a config value that must never be seen: every way of printing it
// shows "[secret]" when it is set.
type Secret string

// String hides the value.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "[secret]"
}

// GoString hides the value from %#v.
func (s Secret) GoString() string { return strconv.Quote(s.String()) }

// MarshalText hides the value from JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue hides the value from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Reveal returns the value itself, for the one place that needs it.
func (s Secret) Reveal() string { return string(s) }

// ByteSize is a number of bytes; config writes it as 65536, 64KiB, 1.5MB, 2GiB.
type ByteSize int64

var byteUnits = []struct {
	suffix string
	factor float64
}{
	{"kib", 1 << 10},
	{"mib", 1 << 20},
	{"gib", 1 << 30},
	{"tib", 1 << 40},
	{"kb", 1e3},
	{"mb", 1e6},
	{"gb", 1e9},
	{"tb", 1e12},
	{"b", 1},
}

// ParseByteSize reads a size; units are powers of 1000 (kB, MB, GB, TB) or of
// 1024 (KiB, MiB, GiB, TiB), in any case; no unit means bytes.
func ParseByteSize(s string) (ByteSize, error) {
	low, factor := strings.ToLower(strings.TrimSpace(s)), 1.0
	for _, u := range byteUnits {
		if before, ok := strings.CutSuffix(low, u.suffix); ok {
			low, factor = strings.TrimSpace(before), u.factor
			break
		}
	}
	f, err := strconv.ParseFloat(low, 64)
	if err != nil || math.IsNaN(f) || f < 0 || f*factor > 1<<62 {
		return 0, fmt.Errorf("%q is not a size: write a number of bytes or a unit, such as 64KiB or 2GB", s)
	}
	return ByteSize(f * factor), nil
}

// UnmarshalText lets config decoders read a ByteSize.
func (b *ByteSize) UnmarshalText(text []byte) error {
	v, err := ParseByteSize(string(text))
	if err == nil {
		*b = v
	}
	return err
}

// MarshalText writes the size as String does.
func (b ByteSize) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// String writes the size in the largest binary unit that divides it.
func (b ByteSize) String() string {
	for _, u := range []struct {
		name string
		n    ByteSize
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if b >= u.n && b%u.n == 0 {
			return strconv.FormatInt(int64(b/u.n), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10)
}
