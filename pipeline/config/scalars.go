package config

import (
	"cmp"
	"errors"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/sluicehq/sluice/pipeline"
)

// scalarForm is what a kind of scalar is called in an error, and an example.
func scalarForm(kind ShapeKind) (want, example string) {
	switch kind {
	case Bool:
		return "true or false", "true"
	case Int:
		return "a whole number", "10"
	case Uint:
		return "a whole number that is not negative", "10"
	case Float:
		return "a number", "0.5"
	case Secret:
		return "text", `"${file:/run/secrets/name}"`
	case Size:
		return "a size", "64MiB"
	case Duration:
		return "a duration", "15m or 2d"
	}
	return "text", ""
}

// scalar reads n into a value of a kind that scalarForm knows.
func (d *decoder) scalar(n *node, path string, v reflect.Value, kind ShapeKind, f *field) {
	want, example := scalarForm(kind)
	example = cmp.Or(f.example, example)
	if n.kind != scalar || n.isNull() {
		d.wrong(n, path, want, exampleHint(example))
		return
	}
	var err error
	switch kind {
	case Text:
		v.SetString(n.value)
		d.enum(n, path, n.value, f)
		return
	case Secret:
		v.SetString(n.value)
		d.secrets = append(d.secrets, n)
		return
	case Bool:
		err = setBool(n, v)
	case Int, Uint, Float:
		err = setNumber(n, v, kind)
	case Size:
		var size pipeline.ByteSize
		if size, err = pipeline.ParseByteSize(n.value); err == nil {
			v.SetInt(int64(size))
		} else {
			err = errForm
		}
	case Duration:
		err = setDuration(n, v, f)
	}
	switch {
	case err == nil:
		d.bounds(n, path, v, kind, f)
	case errors.Is(err, errForm):
		if bare := strings.ReplaceAll(n.text, "_", ""); !n.interpolated && !n.hidden && validNumber(bare) {
			example = bare // 1_000 is no number here
		}
		d.wrong(n, path, want, exampleHint(example))
	case errors.Is(err, errQuoted):
		d.wrong(n, path, want, "remove the quotes")
	case errors.Is(err, errNoUnit):
		hint := "write a unit, such as 30s, 15m or 2d"
		if !n.interpolated && !n.hidden {
			hint = "write a unit, such as " + n.value + "s"
		}
		d.wrong(n, path, want, hint)
	default:
		d.probs.add(n.at, path, n.shown()+" "+err.Error(), "")
	}
}

var (
	errForm     = errors.New("is of another form")
	errQuoted   = errors.New("is in quotes")
	errRange    = errors.New("is out of range")
	errFraction = errors.New("is not a whole number")
	errNegative = errors.New("must not be negative")
)

func setBool(n *node, v reflect.Value) error {
	switch s := n.value; {
	case s != "true" && s != "false":
		return errForm
	case !n.plain && !n.interpolated:
		return errQuoted
	default:
		v.SetBool(s == "true")
		return nil
	}
}

// setNumber reads a number in JSON's notation; 1e6 is whole too.
func setNumber(n *node, v reflect.Value, kind ShapeKind) error {
	s := n.value
	if n.interpolated {
		s = strings.TrimSpace(s)
	}
	switch {
	case !validNumber(s):
		return errForm
	case !n.plain && !n.interpolated:
		return errQuoted
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(f, 0) {
		return errRange
	}
	if kind == Float {
		if v.OverflowFloat(f) {
			return errRange
		}
		v.SetFloat(f)
		return nil
	}
	if f != math.Trunc(f) {
		return errFraction
	}
	if kind == Uint {
		return setUint(s, f, v)
	}
	i, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		if !strings.ContainsAny(s, ".eE") || math.Abs(f) > 1<<53 {
			return errRange
		}
		i = int64(f)
	}
	if v.OverflowInt(i) {
		return errRange
	}
	v.SetInt(i)
	return nil
}

func setUint(s string, f float64, v reflect.Value) error {
	if f < 0 {
		return errNegative
	}
	u, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		if !strings.ContainsAny(s, ".eE-") || f > 1<<53 {
			return errRange
		}
		u = uint64(f)
	}
	if v.OverflowUint(u) {
		return errRange
	}
	v.SetUint(u)
	return nil
}

// setDuration reads a duration; a negative one needs a negative min to be
// allowed.
func setDuration(n *node, v reflect.Value, f *field) error {
	dur, err := ParseDuration(strings.TrimSpace(n.value))
	switch {
	case errors.Is(err, errNoUnit):
		return err
	case err != nil:
		return errForm
	case dur < 0 && !strings.HasPrefix(f.min, "-"):
		return errNegative
	}
	v.SetInt(int64(dur))
	return nil
}

// bounds checks a number, size or duration against min and max of its field.
func (d *decoder) bounds(n *node, path string, v reflect.Value, kind ShapeKind, f *field) {
	for _, b := range []struct {
		text, msg string
		bad       int
	}{{f.min, "must be at least ", -1}, {f.max, "must be at most ", 1}} {
		if b.text == "" {
			continue
		}
		c, ok := compareBound(v, kind, b.text)
		if !ok {
			d.probs.add(n.at, path, "the bound "+strconv.Quote(b.text)+" can not be read: this is a defect of the component", "")
		} else if c == b.bad {
			d.probs.add(n.at, path, b.msg+b.text+", found "+n.shown(), "")
		}
	}
}

// compareBound compares v to a bound as a tag writes it.
func compareBound(v reflect.Value, kind ShapeKind, bound string) (c int, ok bool) {
	switch kind {
	case Duration:
		b, err := ParseDuration(bound)
		return cmp.Compare(v.Int(), int64(b)), err == nil
	case Size:
		b, err := pipeline.ParseByteSize(bound)
		return cmp.Compare(v.Int(), int64(b)), err == nil
	case Int:
		b, err := strconv.ParseInt(bound, 10, 64)
		return cmp.Compare(v.Int(), b), err == nil
	case Uint:
		b, err := strconv.ParseUint(bound, 10, 64)
		return cmp.Compare(v.Uint(), b), err == nil
	case Float:
		b, err := strconv.ParseFloat(bound, 64)
		return cmp.Compare(v.Float(), b), err == nil
	}
	return 0, true
}
