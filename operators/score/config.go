// Package score is the operator that runs a model of package internal/model on
// posts: a column of probabilities for each head, and a detection, with the
// words that carried it, for each probability that reaches its threshold.
package score

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/sluicehq/sluice/pipeline"
)

// Config is the operator's config.
type Config struct {
	Model     string             `koanf:"model" doc:"File of a trained model (.slm), relative to the config file." required:"true" words:"a path"`
	Threshold map[string]float64 `koanf:"threshold" doc:"Least probability that is a detection, by head; the model's own where none is given."`
	Severity  string             `koanf:"severity" doc:"Severity of the detections; the model's own, or else medium, if empty." enum:",info,low,medium,high,critical"`
	Mode      string             `koanf:"mode" doc:"live, shadow (detections are marked so) or off (columns only)." enum:"live,shadow,off"`
	Owner     string             `koanf:"owner" doc:"Owner of the detections; the model's own if empty."`
	Labels    []string           `koanf:"labels" doc:"Labels of the detections beside those of the model."`
	Explain   int                `koanf:"explain" doc:"Words and pairs of words that a detection shows as its evidence, at most." min:"0" max:"64"`
}

func defaults() Config { return Config{Mode: modeLive, Explain: 8} }

const (
	modeLive = "live"
	modeOff  = "off"
)

// Validate checks what can be checked without the model.
func (c *Config) Validate() error {
	var errs []error
	if c.Model == "" {
		errs = append(errs, &pipeline.FieldError{Path: "model", Err: errors.New("no model: name a file, such as models/abuse.slm")})
	}
	for _, head := range slices.Sorted(maps.Keys(c.Threshold)) {
		if v := c.Threshold[head]; !(v >= 0 && v <= 1) {
			errs = append(errs, &pipeline.FieldError{Path: "threshold." + head, Err: fmt.Errorf("%v is not a probability: use 0 to 1, such as 0.9", v)})
		}
	}
	return errors.Join(errs...)
}
