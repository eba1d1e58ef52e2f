package train

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/realdata"
)

// tweeteval is the config that learns one task of TweetEval from its train part
// and measures it on its val part and on the tweets of crises.
func tweeteval(task string) *Config {
	c := Defaults()
	c.Name = "tweeteval_" + task
	c.Heads = []Head{{Name: task}}
	classes := map[string]map[string]int8{"0": {task: 0}, "1": {task: 1}}
	part := func(name, use string) Input {
		at := filepath.Join("labelled", "tweeteval", task, name)
		return Input{Name: name, Path: at + "_text.txt", LabelPath: at + "_labels.txt", Map: classes, Use: use, Licence: "see the data set", Part: "train"}
	}
	c.Inputs = []Input{part("train", useTrain), part("val", useMeasure)}
	return &c
}

// crises adds the background of crisislex_t6 to a config, not to be learnt from.
func crises(tb testing.TB, c *Config, dir string) {
	tb.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "labelled", "crisislex_t6", "*.csv"))
	if err != nil || len(paths) == 0 {
		tb.Fatalf("no files of crisislex_t6: %v", err)
	}
	for _, p := range paths {
		at, err := filepath.Rel(dir, p)
		if err != nil {
			tb.Fatal(err)
		}
		c.Inputs = append(c.Inputs, Input{Name: filepath.Base(p), Path: at, Text: "tweet", Use: useBackground, Licence: "MIT"})
	}
}

// TestTweetEval is the measure of the issue: macro-F1 on val of at least 0.73,
// learnt from train alone. All settings were chosen by cross-validation on
// train, but this test was run, and so val was seen, several times on the way:
// its figures may be a little better than those of posts that nobody has seen.
func TestTweetEval(t *testing.T) {
	dir := realdata.Path(t)
	for _, task := range []string{"offensive", "hate"} {
		t.Run(task, func(t *testing.T) {
			c := tweeteval(task)
			crises(t, c, dir)
			out := fit(t, c, dir)
			var val *Result
			posts, falses := 0, 0
			for _, r := range out.Results[0] {
				switch {
				case r.On == "val":
					val = r
				case strings.Contains(r.On, "background"):
					posts += r.Posts
					falses += r.Confusion[0][1]
				}
			}
			fpr := float64(falses) / float64(posts)
			fmt.Printf("tweeteval %s, val: macro-F1 %.4f, AUC %.4f, average precision %.4f, calibration error %.4f, threshold %.3f; "+
				"false-positive rate on %d posts of crisislex_t6: %.4f\n", task, val.MacroF1(), val.AUC, val.AvgPrec, val.ECE, val.Threshold, posts, fpr)
			if val.MacroF1() < 0.73 {
				t.Errorf("macro-F1 %.4f, want at least 0.73", val.MacroF1())
			}
			if val.AUC < 0.78 || val.ECE > 0.08 {
				t.Errorf("AUC %.4f and calibration error %.4f, want at least 0.78 and at most 0.08", val.AUC, val.ECE)
			}
			if posts < 50_000 {
				t.Errorf("%d background posts, want at least 50,000", posts)
			}
		})
	}
}

// fit loads the inputs of a config and trains it.
func fit(tb testing.TB, c *Config, dir string) *Output {
	tb.Helper()
	var in []*Loaded
	for i := range c.Inputs {
		l, err := c.Load(dir, &c.Inputs[i])
		if err != nil {
			tb.Fatal(err)
		}
		in = append(in, l)
	}
	out, err := Fit(c, in, tb.Logf)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}
