package repartition

import (
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/pipelinetest"
)

func TestHarness(t *testing.T) {
	cfg := Defaults()
	cfg.By, cfg.Topic = "author_id", "by-author"
	pipelinetest.RunOperator(t, pipelinetest.OperatorCase{
		Factory: Factory(), Config: &cfg,
		Input: func(t testing.TB, mem memory.Allocator) arrow.Record {
			return pipelinetest.Posts(t, mem, []pipelinetest.Row{{"text": "one"}, {"text": ""}, {"author_id": "a"}})
		},
	})
}

func TestConfig(t *testing.T) {
	for want, set := range map[string]func(*Config){
		"by: ":        func(c *Config) { c.By = "absent" },
		"by: column":  func(c *Config) { c.By = "hashtags" },
		"topic: ":     func(c *Config) { c.Topic = "a topic" },
		"brokers.0: ": func(c *Config) { c.Brokers = []string{""} },
	} {
		cfg := Defaults()
		cfg.By, cfg.Topic = "author_id", "by-author"
		set(&cfg)
		if _, err := newPlan(pipeline.BuildContext{}, &cfg, pipeline.PostsSchema()); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want %s...", err, want)
		}
	}
}
