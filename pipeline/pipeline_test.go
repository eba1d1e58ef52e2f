package pipeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"pgregory.net/rapid"

	"github.com/sluicehq/sluice/pipeline"
)

// TestKeysAreDistinct: deduplication rests on two keys never giving one text.
func TestKeysAreDistinct(t *testing.T) {
	part := rapid.StringOfN(rapid.RuneFrom([]rune("a/-%2F ")), 0, 4, -1)
	key := func(t *rapid.T, name string) pipeline.Key {
		s := func(f string) string { return part.Draw(t, name+f) }
		return pipeline.Key{
			Pipeline: s("pipeline"), Sink: s("sink"),
			Span: pipeline.Span{Partition: s("partition"), From: pipeline.Position(s("from")), To: pipeline.Position(s("to"))},
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := key(t, "a"), key(t, "b")
		if (a == b) != (a.String() == b.String()) {
			t.Fatalf("%+v and %+v: %q and %q", a, b, a, b)
		}
	})
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	s := pipeline.Secret("hunter2")
	js, err := json.Marshal(map[string]any{"s": s})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "secret", s)
	type holder struct{ S pipeline.Secret }
	for _, text := range []string{
		s.String(), string(js), log.String(), fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q", s, s, s, s, s), fmt.Sprintf("%v %#v", holder{s}, holder{s}),
	} {
		if strings.Contains(text, "hunter2") {
			t.Errorf("printed: %s", text)
		}
	}
	if s.Reveal() != "hunter2" || pipeline.Secret("").String() != "" {
		t.Error("Reveal gives the value, and an unset secret prints as nothing")
	}
}

func TestByteSize(t *testing.T) {
	for text, want := range map[string]pipeline.ByteSize{
		"0": 0, "65536": 65536, "64KiB": 65536, "64 kib": 65536, "1.5MB": 1_500_000, "2GiB": 2 << 30, "7b": 7, "1TB": 1e12,
	} {
		if got, err := pipeline.ParseByteSize(text); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "x", "-1", "1XB", "NaN", "1e30", "KiB", "inf"} {
		if got, err := pipeline.ParseByteSize(text); err == nil || !strings.Contains(err.Error(), "is not a size") {
			t.Errorf("%q: %d, %v; want an error", text, got, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		want := pipeline.ByteSize(rapid.Int64Range(0, 1<<50).Draw(t, "size"))
		if got, err := pipeline.ParseByteSize(want.String()); err != nil || got != want {
			t.Fatalf("%d printed as %q reads as %d, %v", want, want, got, err)
		}
	})
}

func TestRetryable(t *testing.T) {
	cause := errors.New("broken pipe")
	wrapped := fmt.Errorf("write: %w", pipeline.RetryableAfter(cause, time.Second))
	if after, ok := pipeline.IsRetryable(wrapped); !ok || after != time.Second || !errors.Is(wrapped, cause) {
		t.Errorf("a wrapped retryable error: %v, %v", after, ok)
	}
	for _, err := range []error{nil, cause, pipeline.Retryable(nil), pipeline.Retryable(fmt.Errorf("send: %w", context.Canceled))} {
		if _, ok := pipeline.IsRetryable(err); ok {
			t.Errorf("%v must not be retryable", err)
		}
	}
}

func TestColumns(t *testing.T) {
	schema := pipeline.PostsSchema(arrow.Field{Name: "extra", Type: arrow.PrimitiveTypes.Int64})
	if i, err := pipeline.Column(schema, "extra", arrow.PrimitiveTypes.Int64); err != nil || i != schema.NumFields()-1 {
		t.Errorf("extra: %d, %v", i, err)
	}
	for _, c := range []struct {
		name string
		want arrow.DataType
		msg  string
	}{
		{pipeline.ColTokenHash, pipeline.ListOf(arrow.PrimitiveTypes.Uint64), `column "tokens.hash" does not reach this step: put a tokenize step before it`},
		{"none", arrow.PrimitiveTypes.Int64, `column "none" does not reach this step`},
		{"extra", arrow.BinaryTypes.String, `column "extra" is of type int64, want utf8`},
	} {
		if _, err := pipeline.Column(schema, c.name, c.want); err == nil || err.Error() != c.msg {
			t.Errorf("%s: %v, want %s", c.name, err, c.msg)
		}
	}
	if _, err := pipeline.AppendFields(schema, arrow.Field{Name: "text", Type: arrow.BinaryTypes.String}); err == nil {
		t.Error("a column twice must be an error")
	}
	out, err := pipeline.AppendFields(schema, pipeline.Transient(arrow.Field{Name: "t", Type: arrow.BinaryTypes.String}))
	if err != nil || !pipeline.IsTransient(out.Field(out.NumFields()-1)) || pipeline.IsTransient(out.Field(0)) {
		t.Errorf("transient columns: %v", err)
	}
	for i := range pipeline.NumStreams {
		s := pipeline.Stream(i)
		if got, ok := pipeline.ParseStream(s.String()); !ok || got != s {
			t.Errorf("stream %d prints as %q", i, s)
		}
	}
}
