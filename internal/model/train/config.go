// Package train makes models for package model: it reads labelled posts, learns
// a logistic regression for each head, calibrates it, chooses its threshold, and
// measures it. The same files and config give the same bytes.
package train

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/sluicehq/sluice/internal/edit"
	"github.com/sluicehq/sluice/internal/model"
)

// Config is a training file.
type Config struct {
	Name        string   `yaml:"name"`
	Version     uint32   `yaml:"version"`
	Date        string   `yaml:"date"` // put into the card as it is: 2006-01-02
	Description string   `yaml:"description"`
	Use         string   `yaml:"intended_use"`
	Limits      []string `yaml:"limits"`
	Biases      []string `yaml:"known_biases"`
	Licence     string   `yaml:"licence"`
	Owner       string   `yaml:"owner"`
	Features    Features `yaml:"features"`
	Training    Options  `yaml:"training"`
	Heads       []Head   `yaml:"heads"`
	Inputs      []Input  `yaml:"inputs"`
}

// Features are the settings of model.Features.
type Features struct {
	Words    int `yaml:"words"`
	PieceMin int `yaml:"piece_min"`
	PieceMax int `yaml:"piece_max"`
	Bits     int `yaml:"bits"`
}

// Head is a score to be learnt.
type Head struct {
	Name        string    `yaml:"name"`
	Description string    `yaml:"description"`
	Severity    string    `yaml:"severity"`
	Labels      []string  `yaml:"labels"`
	Threshold   Threshold `yaml:"threshold"`
}

// Threshold says how a threshold is chosen: by one of these, or, if none is
// set, for the greatest macro-F1 that the probabilities let expect. What is not At is chosen on posts that the
// scores were not learnt from.
type Threshold struct {
	At        float64 `yaml:"at"`        // this probability
	Precision float64 `yaml:"precision"` // the least one of this precision on labelled posts
	FPR       float64 `yaml:"fpr"`       // the least one that calls at most this share of the background
}

// Input is one file of posts.
type Input struct {
	Name   string `yaml:"name"`
	Path   string `yaml:"path"`   // ${NAME} is taken from the environment
	Format string `yaml:"format"` // csv, tsv, jsonl, lines; by the file's name if empty
	// LabelPath is a file whose lines are the labels of the lines of Path.
	LabelPath string `yaml:"label_path"`
	NoHeader  bool   `yaml:"no_header"` // of csv and tsv: columns are numbers from 1 then
	Text      string `yaml:"text"`      // column, or path of a field (a.b)
	Label     string `yaml:"label"`     // the same; "" if all posts have Always
	// Separator cuts a label that is several, such as "a_b"; a head is 1 if one
	// of them makes it 1.
	Separator string `yaml:"separator"`
	// Map gives, for the text of a label, the class of heads: 1 or 0. A head
	// that is not named does not learn from the post.
	Map map[string]map[string]int8 `yaml:"map"`
	// Always is such a class for all posts.
	Always  map[string]int8 `yaml:"always"`
	Licence string          `yaml:"licence"`
	Source  string          `yaml:"source"` // where it is from
	// Use is train (the default), background (posts that stand for common ones:
	// false positives are counted on them; they are learnt from only if they have
	// classes), or measure (labelled, never learnt from).
	Use string `yaml:"use"`
	// Part is train, valid or test for all posts; "" cuts by hash of the text.
	Part string `yaml:"part"`
}

// The uses of an input.
const (
	useTrain      = "train"
	useBackground = "background"
	useMeasure    = "measure"
)

// Defaults returns a config with the settings that did best in cross-validation
// on posts of social networks.
func Defaults() Config {
	return Config{
		Version:  1,
		Features: Features{Words: 2, PieceMin: 3, PieceMax: 5, Bits: 16},
		Training: Options{Seed: 1, Epochs: 12, Patience: 2, Folds: 5, Rate: 0.1, L2: 1, Ratio: 1},
	}
}

var goType = regexp.MustCompile(` (in|into) type [a-z0-9]+\.[A-Za-z]+`)

// ParseConfig reads a training file; what it leaves out is as in Defaults.
func ParseConfig(name string, data []byte) (*Config, error) {
	c := Defaults()
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&c); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("it is empty; `sluice train --help` shows one")
		}
		var wrong *yaml.TypeError
		if errors.As(err, &wrong) { // the library tells Go types, over several lines
			err = errors.New(goType.ReplaceAllString(strings.Join(wrong.Errors, "; "), ""))
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &c, nil
}

// Validate returns everything that is wrong with a config.
func (c *Config) Validate() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Name == "" {
		fail("no name: give the model one, such as name: abuse")
	}
	if c.Version < 1 {
		fail("version is %d; count from 1", c.Version)
	}
	if _, err := time.Parse(time.DateOnly, c.Date); c.Date != "" && err != nil {
		fail("date %q: write it as 2006-01-02", c.Date)
	}
	if f := c.features(); f.Check() != nil {
		fail("%w", f.Check())
	}
	o := &c.Training
	for _, b := range []struct {
		name      string
		v, lo, hi float64
	}{
		{"epochs", float64(o.Epochs), 1, 1000},
		{"patience", float64(o.Patience), 1, 1000},
		{"folds", float64(o.Folds), 0, 20},
		{"rate", o.Rate, 1e-6, 100},
		{"l1", o.L1, 0, 1e6},
		{"l2", o.L2, 0, 1e6},
		{"ratio", o.Ratio, 0, 1},
		{"balance", o.Balance, 0, 1},
	} {
		if !(b.v >= b.lo && b.v <= b.hi) {
			fail("training.%s is %v; use %v to %v", b.name, b.v, b.lo, b.hi)
		}
	}
	if o.Folds == 1 {
		fail("training.folds is 1: use 0 for the validation part alone, or 2 and more")
	}
	if len(c.Heads) < 1 || len(c.Heads) > model.MaxHeads {
		fail("%d heads; a model has 1 to %d", len(c.Heads), model.MaxHeads)
	}
	errs = append(errs, c.checkHeads()...)
	if len(c.Inputs) == 0 {
		fail("no inputs: name a file of labelled posts")
	}
	for i := range c.Inputs {
		if err := c.Inputs[i].check(c); err != nil {
			fail("inputs %d (%s): %w", i+1, c.Inputs[i].title(), err)
		}
	}
	return errors.Join(errs...)
}

func (c *Config) checkHeads() (errs []error) {
	seen := map[string]bool{}
	for _, h := range c.Heads {
		fail := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("head %q: "+format, append([]any{h.Name}, args...)...))
		}
		if !model.IsName(h.Name) {
			fail("the name does not fit into rules: use a lower-case letter, then letters, digits and '_', at most 64")
		}
		if seen[h.Name] {
			fail("there are two of this name")
		}
		seen[h.Name] = true
		if h.Severity != "" && !slices.Contains(Severities(), h.Severity) {
			fail("severity %q: use one of %v", h.Severity, Severities())
		}
		set := 0
		for _, v := range []float64{h.Threshold.At, h.Threshold.Precision, h.Threshold.FPR} {
			if v != 0 {
				set++
			}
			if !(v >= 0 && v < 1) {
				fail("a threshold of %v: at, precision and fpr are between 0 and 1", v)
			}
		}
		if set > 1 {
			fail("the threshold is chosen by one of at, precision and fpr, not by %d", set)
		}
	}
	return errs
}

// Severities returns the severities of detections, lowest first.
func Severities() []string { return []string{"info", "low", "medium", "high", "critical"} }

func (c *Config) features() model.Features {
	f := c.Features
	return model.Features{View: "folded", Words: f.Words, PieceMin: f.PieceMin, PieceMax: f.PieceMax, Bits: f.Bits, Norm: "sqrt", Text: model.Probe()}
}

// head returns the number of a head, or an error with the nearest name.
func (c *Config) head(name string) (int, error) {
	near, best := "", 3
	for i := range c.Heads {
		if c.Heads[i].Name == name {
			return i, nil
		}
		if d := edit.Distance(name, c.Heads[i].Name, 2); d < best {
			near, best = c.Heads[i].Name, d
		}
	}
	if near != "" {
		return -1, fmt.Errorf("there is no head %q; did you mean %q?", name, near)
	}
	return -1, fmt.Errorf("there is no head %q", name)
}

func (in *Input) title() string {
	if in.Name != "" {
		return in.Name
	}
	return in.Path
}

func (in *Input) check(c *Config) error {
	switch in.Use {
	case "", useTrain, useMeasure:
		if len(in.Map) == 0 && len(in.Always) == 0 {
			return errors.New("no map from labels to heads: write map: { \"1\": { head: 1 }, \"0\": { head: 0 } }")
		}
	case useBackground:
	default:
		return fmt.Errorf("use %q: write train, background or measure", in.Use)
	}
	switch in.Part {
	case "", "train", "valid", "test":
	default:
		return fmt.Errorf("part %q: write train, valid or test, or leave it out", in.Part)
	}
	if in.Path == "" {
		return errors.New("no path")
	}
	if len(in.Map) > 0 && in.Label == "" && in.LabelPath == "" {
		return errors.New("a map but no label: name the column that holds it")
	}
	for _, m := range append(slices.Collect(maps.Values(in.Map)), in.Always) {
		for name, class := range m {
			if _, err := c.head(name); err != nil {
				return err
			}
			if class != 0 && class != 1 {
				return fmt.Errorf("class %d of head %q: use 1 or 0", class, name)
			}
		}
	}
	return nil
}
