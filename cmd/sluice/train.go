package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice/internal/model"
	"github.com/sluicehq/sluice/internal/model/train"
)

// inputFlags name posts on the command line.
type inputFlags struct {
	config     string
	paths      []string
	background []string
	text       string
	label      string
	labelPath  string
	format     string
	maps       []string
	licence    string
}

func (f *inputFlags) add(c *cobra.Command) {
	s := c.Flags()
	s.StringVarP(&f.config, "config", "c", "", "training file (YAML)")
	s.StringArrayVar(&f.paths, "input", nil, "file of labelled posts: .csv, .tsv, .jsonl, or .txt with a post a line; may be given again")
	s.StringArrayVar(&f.background, "background", nil, "file of common posts, on which false positives are counted; may be given again")
	s.StringVar(&f.text, "text", "text", "column or field of the text")
	s.StringVar(&f.label, "label", "label", "column or field of the label")
	s.StringVar(&f.labelPath, "labels", "", "file with the labels of the lines of --input")
	s.StringVar(&f.format, "format", "", "csv, tsv, jsonl or lines, if the file's name does not tell")
	s.StringArrayVar(&f.maps, "map", nil, "what a label means: LABEL=HEAD:1 or LABEL=HEAD:1,OTHER:0; may be given again")
	s.StringVar(&f.licence, "licence", "not stated", "licence of the posts, for the card")
}

// apply puts the posts of the flags into c. Heads that c does not have are made.
func (f *inputFlags) apply(c *train.Config, makeHeads bool) error {
	classes := map[string]map[string]int8{}
	for _, m := range f.maps {
		i := strings.LastIndexByte(m, '=')
		if i < 0 {
			return fmt.Errorf("--map %q: write LABEL=HEAD:1", m)
		}
		label := m[:i]
		if classes[label] == nil {
			classes[label] = map[string]int8{}
		}
		for part := range strings.SplitSeq(m[i+1:], ",") {
			head, class, _ := strings.Cut(part, ":")
			if class != "0" && class != "1" {
				return fmt.Errorf("--map %q: %q has no class; write %s:1 or %s:0", m, part, head, head)
			}
			classes[label][head] = int8(class[0] - '0')
			if makeHeads && !slices.ContainsFunc(c.Heads, func(h train.Head) bool { return h.Name == head }) {
				c.Heads = append(c.Heads, train.Head{Name: head})
			}
		}
	}
	for _, p := range f.paths {
		in := train.Input{Path: p, Format: f.format, Text: f.text, Label: f.label, LabelPath: f.labelPath, Map: classes, Licence: f.licence}
		c.Inputs = append(c.Inputs, in)
	}
	for _, p := range f.background {
		c.Inputs = append(c.Inputs, train.Input{Path: p, Format: f.format, Text: f.text, Use: "background", Licence: f.licence})
	}
	return nil
}

// load reads the inputs of c and says what was read.
func load(out io.Writer, c *train.Config, dir string) ([]*train.Loaded, error) {
	var loaded []*train.Loaded
	for i := range c.Inputs {
		l, err := c.Load(dir, &c.Inputs[i])
		if err != nil {
			return nil, usage(err)
		}
		fmt.Fprintf(out, "read %d posts of %s\n", len(l.Posts), l.Path)
		if n := len(l.Unmapped); n > 0 {
			labels := make([]string, 0, n)
			for k := range l.Unmapped {
				labels = append(labels, k)
			}
			slices.Sort(labels)
			fmt.Fprintf(out, "  %d labels are not in the map, their posts are left out, such as %q\n", n, labels[0])
		}
		loaded = append(loaded, l)
	}
	return loaded, nil
}

func trainCommand() *cobra.Command {
	var f inputFlags
	var out, picture, date, name string
	var precision, fpr float64
	c := &cobra.Command{
		Use:   "train",
		Short: "Train a model for the score step from labelled posts",
		Long: `Train learns a model of up to 8 heads from labelled posts and writes it to a
file that the score step and ` + "`sluice eval`" + ` read. The same posts and settings give
the same bytes. A training file has all settings; the flags do for one file.

Posts are cut by the hash of their text, so that copies are together: 80 % to
learn from and 10 % to validate with, both by 5-fold cross-validation, and 10 %
for the test. Training stops when the loss on what was not learnt from no longer
falls. The threshold of a head is that of the greatest macro-F1, unless
--precision or --fpr, or the training file, says otherwise.

Lines of progress and the report go to the standard error and output.`,
		Example: `  sluice train -c deploy/models/abuse.yaml --out abuse.slm --report abuse.svg
  sluice train --input posts.csv --text tweet --label class --map 1=spam:1 --map 0=spam:0 --out spam.slm
  sluice train --input posts.jsonl --text text --label y --map true=spam:1 --map false=spam:0 \
    --background usual.jsonl --fpr 0.001 --out spam.slm

A training file:
  name: spam
  heads: [{ name: spam, threshold: { precision: 0.9 } }]
  inputs:
    - { path: "${DATA}/posts.csv", text: tweet, label: class, licence: MIT,
        map: { "1": { spam: 1 }, "0": { spam: 0 } } }
    - { path: usual.jsonl, text: text, use: background, licence: MIT }`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, dir, err := f.read()
			if err != nil {
				return usage(err)
			}
			if date != "" {
				cfg.Date = date
			}
			if name != "" {
				cfg.Name = name
			} else if cfg.Name == "" {
				cfg.Name = strings.TrimSuffix(filepath.Base(out), ".slm")
			}
			for h := range cfg.Heads {
				if c.Flags().Changed("precision") {
					cfg.Heads[h].Threshold = train.Threshold{Precision: precision}
				}
				if c.Flags().Changed("fpr") {
					cfg.Heads[h].Threshold = train.Threshold{FPR: fpr}
				}
			}
			if err := cfg.Validate(); err != nil {
				return usage(err)
			}
			if out == "" {
				return usage(errors.New("where to? set --out, such as --out models/spam.slm"))
			}
			return trainModel(c, cfg, dir, out, picture)
		},
	}
	f.add(c)
	s := c.Flags()
	s.StringVarP(&out, "out", "o", "", "file to write the model to")
	s.StringVar(&picture, "report", "", "file for the picture of precision, recall and calibration (SVG)")
	s.StringVar(&date, "date", "", "date for the card, 2006-01-02; the clock is not asked")
	s.StringVar(&name, "name", "", "name of the model; that of --out if the training file has none")
	s.Float64Var(&precision, "precision", 0, "choose each threshold for this precision")
	s.Float64Var(&fpr, "fpr", 0, "choose each threshold for this share of false positives on the background")
	c.MarkFlagsMutuallyExclusive("precision", "fpr")
	return c
}

// read makes the config of the training file and the flags. Paths of the file
// begin at its folder, those of flags at the working folder.
func (f *inputFlags) read() (*train.Config, string, error) {
	if f.config == "" {
		if len(f.paths) == 0 {
			return nil, "", errors.New("no posts: name a training file (-c) or a file of posts (--input)")
		}
		c := train.Defaults()
		return &c, ".", f.apply(&c, true)
	}
	if len(f.paths) > 0 || len(f.maps) > 0 {
		return nil, "", errors.New("-c and --input do not go together: add the file to the training file's inputs")
	}
	data, err := os.ReadFile(f.config)
	if err != nil {
		return nil, "", err
	}
	c, err := train.ParseConfig(f.config, data)
	if err != nil {
		return nil, "", err
	}
	for i, p := range f.background {
		if f.background[i], err = filepath.Abs(p); err != nil {
			return nil, "", err
		}
	}
	return c, filepath.Dir(f.config), f.apply(c, false)
}

func trainModel(c *cobra.Command, cfg *train.Config, dir, out, picture string) error {
	log := c.ErrOrStderr()
	loaded, err := load(log, cfg, dir)
	if err != nil {
		return err
	}
	done, err := train.Fit(cfg, loaded, func(format string, args ...any) { fmt.Fprintf(log, format+"\n", args...) })
	if err != nil {
		return usage(err) // the posts do not do for what was asked
	}
	data, err := done.Model.Encode()
	if err != nil {
		return err
	}
	if err := os.WriteFile(out, data, 0o644); err != nil {
		return err
	}
	card := done.Model.Card()
	fmt.Fprintf(c.OutOrStdout(), "%s: %d bytes, checksum %s\n", out, len(data), done.Model.Sum())
	if err := train.WriteReport(c.OutOrStdout(), card, done.Results); err != nil {
		return err
	}
	return writePicture(picture, card, done.Results)
}

func writePicture(path string, card *model.Card, results [][]*train.Result) error {
	if path == "" {
		return nil
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(train.WritePicture(file, card, results), file.Close())
}

func evalCommand() *cobra.Command {
	var f inputFlags
	var picture string
	c := &cobra.Command{
		Use:   "eval MODEL.slm",
		Short: "Print a model's card, or measure it on labelled or common posts",
		Long: `Eval without posts prints what a model says of itself: what it was trained on,
how well it does, what it is not for. With posts it runs the model on them, as
the score step would, and prints the same figures as ` + "`sluice train`" + `. On posts that
the model learnt from, these are better than they will be on others.`,
		Example: `  sluice eval models/abuse.slm
  sluice eval models/spam.slm --input posts.csv --text tweet --label class --map 1=spam:1 --map 0=spam:0
  sluice eval models/spam.slm --background usual.jsonl --text text`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			data, err := os.ReadFile(args[0])
			if err != nil {
				return usage(err)
			}
			m, err := model.Read(data)
			if err != nil {
				return usage(fmt.Errorf("%s: %w", args[0], err))
			}
			if f.config == "" && len(f.paths) == 0 && len(f.background) == 0 {
				train.WriteCard(c.OutOrStdout(), m)
				return nil
			}
			return evalModel(c, m, &f, picture)
		},
	}
	f.add(c)
	c.Flags().StringVar(&picture, "report", "", "file for the picture of precision, recall and calibration (SVG)")
	return c
}

func evalModel(c *cobra.Command, m *model.Model, f *inputFlags, picture string) error {
	cfg, dir := &train.Config{}, "."
	if f.config != "" {
		var err error
		if cfg, dir, err = f.read(); err != nil {
			return usage(err)
		}
	}
	card := m.Card()
	cfg.Heads = nil
	for i := range card.Heads {
		cfg.Heads = append(cfg.Heads, train.Head{Name: card.Heads[i].Name})
	}
	if f.config == "" {
		if err := f.apply(cfg, false); err != nil {
			return usage(err)
		}
	}
	cfg.Name, cfg.Version = card.Name, card.Version
	cfg.Features, cfg.Training = train.Defaults().Features, train.Defaults().Training
	if err := cfg.Validate(); err != nil {
		return usage(err)
	}
	loaded, err := load(c.ErrOrStderr(), cfg, dir)
	if err != nil {
		return err
	}
	results := make([][]*train.Result, len(card.Heads))
	e := train.NewEvaluator(m)
	for _, l := range loaded {
		rs, err := e.Measure(l)
		if err != nil {
			return usage(err)
		}
		for h := range rs {
			results[h] = append(results[h], rs[h]...)
		}
	}
	if err := train.WriteReport(c.OutOrStdout(), card, results); err != nil {
		return err
	}
	return writePicture(picture, card, results)
}
