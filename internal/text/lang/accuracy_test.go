package lang

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// dataDir returns the folder of the test data, or skips.
func dataDir(tb testing.TB) string {
	tb.Helper()
	dir := os.Getenv("SLUICE_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	if _, err := os.Stat(dir); err != nil {
		tb.Skipf("no test data: %v; set SLUICE_DATA", err)
	}
	return dir
}

type sample struct{ lang, text string }

// column returns a column of a file of comma separated values.
func column(tb testing.TB, path, name string) (out []string) {
	tb.Helper()
	f, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.FieldsPerRecord, r.LazyQuotes = -1, true
	rows, err := r.ReadAll()
	if err != nil {
		tb.Fatal(err)
	}
	for i, n := range rows[0] {
		if n == name {
			for _, row := range rows[1:] {
				out = append(out, row[i])
			}
		}
	}
	if len(out) == 0 {
		tb.Fatalf("%s: no column %q", path, name)
	}
	return out
}

// lines returns the lines of a file.
func lines(tb testing.TB, path string) []string {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}

// labelled returns posts whose language the data sets say, by set.
func labelled(tb testing.TB) map[string][]sample {
	dir := filepath.Join(dataDir(tb), "labelled")
	out := map[string][]sample{}
	add := func(set, lang string, texts []string) {
		for _, t := range texts {
			out[set] = append(out[set], sample{lang, t})
		}
	}
	for lang, name := range map[string]string{"nl": "dutch", "it": "italian", "pl": "polish", "pt": "portuguese", "es": "spanish"} {
		path := filepath.Join(dir, "multilingual_hatecheck", "hatecheck_cases_final_"+name+".csv")
		add("hatecheck", lang, column(tb, path, "test_case"))
	}
	add("hatecheck", "en", column(tb, filepath.Join(dir, "hatecheck", "test_suite_cases.csv"), "test_case"))
	for _, l := range lines(tb, filepath.Join(dir, "germeval2018", "germeval2018.training.txt")) {
		text, _, _ := strings.Cut(l, "\t")
		add("germeval", "de", []string{text})
	}
	for _, lang := range []string{"en", "fr"} {
		add("mlma", lang, column(tb, filepath.Join(dir, "mlma", lang+"_dataset.csv"), "tweet"))
	}
	for _, task := range []string{"hate", "offensive"} {
		add("tweeteval", "en", lines(tb, filepath.Join(dir, "tweeteval", task, "train_text.txt")))
	}
	return out
}

var iraNames = map[string]string{
	"Russian": "ru", "English": "en", "German": "de", "Ukrainian": "uk", "Arabic": "ar", "Italian": "it", "Spanish": "es", "French": "fr",
	"Bulgarian": "bg", "Serbian": "sr", "Macedonian": "mk", "Dutch": "nl", "Norwegian": "nb", "Turkish": "tr", "Romanian": "ro", "Swedish": "sv",
	"Catalan": "ca", "Portuguese": "pt", "Estonian": "et", "Albanian": "sq", "Farsi (Persian)": "fa", "Polish": "pl", "Croatian": "hr",
	"Japanese": "ja", "Korean": "ko", "Hebrew": "he", "Greek": "el", "Vietnamese": "vi", "Indonesian": "id", "Finnish": "fi", "Lithuanian": "lt",
	"Hungarian": "hu", "Czech": "cs", "Danish": "da", "Icelandic": "is", "Latvian": "lv", "Slovenian": "sl", "Slovak": "sk", "Thai": "th",
	"Tagalog (Filipino)": "tl", "Urdu": "ur", "Hindi": "hi", "Bengali": "bn", "Tamil": "ta", "Somali": "so", "Simplified Chinese": "zh",
	"Pushto": "ps", "Uzbek": "uz", "Gujarati": "gu", "Traditional Chinese": "zh", "Kurdish": "ckb", "Malayalam": "ml",
}

// ira returns every n-th of the real posts, with what the platform guessed.
func ira(tb testing.TB, n int) (out []sample) {
	f, err := os.Open(filepath.Join(dataDir(tb), "posts", "ira_to_2016-06.jsonl.zst"))
	if err != nil {
		tb.Skipf("no posts: %v", err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	defer z.Close()
	sc := bufio.NewScanner(z)
	sc.Buffer(nil, 1<<20)
	for i := 0; sc.Scan(); i++ {
		if i%n != 0 {
			continue
		}
		var p struct{ Text, Lang string }
		if err := json.Unmarshal(sc.Bytes(), &p); err != nil {
			tb.Fatal(err)
		}
		if p.Lang = iraNames[p.Lang]; p.Lang != "" {
			out = append(out, sample{p.Lang, p.Text})
		}
	}
	return out
}

// words counts the words of a text, less URLs, mentions and hashtags.
func words(text string) (n int) {
	for w := range strings.FieldsSeq(text) {
		if w[0] != '@' && w[0] != '#' && !strings.Contains(w, "://") && strings.ContainsFunc(w, func(r rune) bool { return scriptOf(r) != 0 }) {
			n++
		}
	}
	return n
}

func TestTrial(t *testing.T) {
	d, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	sets := labelled(t)
	sets["ira"] = ira(t, 11)
	for _, set := range []string{"hatecheck", "germeval", "mlma", "tweeteval", "ira"} {
		type tally struct{ n, right, none [4]int }
		by := map[string]*tally{}
		wrong := map[string]int{}
		for _, s := range sets[set] {
			w := words(s.text)
			b := 0
			switch {
			case w == 0:
				continue
			case w >= 16:
				b = 3
			case w >= 8:
				b = 2
			case w >= 4:
				b = 1
			}
			x := by[s.lang]
			if x == nil {
				x = &tally{}
				by[s.lang] = x
			}
			got, _ := d.Detect([]byte(s.text), nil)
			x.n[b]++
			switch got {
			case s.lang:
				x.right[b]++
			case "":
				x.none[b]++
			default:
				if w >= 4 {
					wrong[s.lang+">"+got]++
				}
			}
			{
				if shown < 25 && w >= 8 && os.Getenv("SHOW") == set && got != s.lang && s.lang == os.Getenv("L") {
					shown++
					fmt.Println(got, s.text)
				}
			}
		}
		for l, x := range by {
			if x.n[0]+x.n[1]+x.n[2]+x.n[3] < 50 {
				continue
			}
			fmt.Printf("%-10s %s", set, l)
			for b := range 4 {
				fmt.Printf("   %6d %5.1f%% (none %4.1f%%)", x.n[b], 100*float64(x.right[b])/float64(max(1, x.n[b])), 100*float64(x.none[b])/float64(max(1, x.n[b])))
			}
			fmt.Println()
		}
		for k, n := range wrong {
			if n > 25 {
				fmt.Print(k, ":", n, " ")
			}
		}
		fmt.Println()
	}
}

func BenchmarkDetect(b *testing.B) {
	d, err := New(nil)
	if err != nil {
		b.Fatal(err)
	}
	posts := ira(b, 31)
	var texts [][]byte
	for _, p := range posts {
		texts = append(texts, []byte(p.text))
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		d.Detect(texts[i%len(texts)], nil)
	}
}
