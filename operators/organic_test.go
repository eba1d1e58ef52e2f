package operators_test

import (
	"encoding/csv"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/realdata"
)

// organicTerms are words that people use every day, in several languages, many
// of them short: each disguise that is found in an organic post is suspicious.
var organicTerms = strings.Fields(`attack free crypto winner bomb kill love money cash hot sex girl girls boss gold good god look tool tools soon all ill
	class pass ass add less loss boat book food cool moon loan loans bill sell sale deal deals cheap best win wins prize lottery casino poker loot
	bitcoin coin coins token tokens trade profit invest dollar dollars click link follow join channel group message call phone mobile credit card bank
	account password login virus hack hacker leak leaks weapon gun guns knife war army troops soldier police terror jihad isis state islam muslim
	christian jew jews black white race nazi fascist left right trump obama clinton putin russia ukraine syria iran iraq israel america american europe
	border wall vote votes voter election fraud lie lies liar fake news media truth secret plan world order flood storm fire quake rescue help relief
	boston texas oklahoma sandy alberta calgary queensland explosion bombing shooting dead death dies die blood pain hate hell evil devil angel hope
	zorvath krelling blorb bot bots troll trolls spam scam scams porn nude sexy drug drugs weed pills viagra meds diet tea party
	для все как что это или если деньги бомба война атака убить мир россия украина путин крым донбасс киев москва сирия террор взрыв смерть любовь
	сон нос рост мост кот рот том нот вор сор тот так там вот вес сок
	الله سلام حرب هجوم قنبلة سوريا مصر العراق غزة جهاد دولة خلافة شهيد النصر مال مجاني اخبار
	liebe krieg geld hallo gegen nicht amour guerre argent bonjour contre`)

// organicPosts returns at least 100,000 posts that nobody disguised for the
// sake of a test: news of crises, plain tweets, and posts in many languages.
func organicPosts(t *testing.T) []string {
	dir := realdata.Path(t)
	var out []string
	files, err := filepath.Glob(filepath.Join(dir, "labelled", "crisislex_t6", "*.csv"))
	if err != nil || len(files) == 0 {
		t.Skipf("no organic posts in %s", dir)
	}
	for _, f := range files {
		out = append(out, crisisPosts(t, f)...)
	}
	for path, every := range map[string]int{"twitter_v11_train.jsonl.zst": 1, "twitter_v11_test.jsonl.zst": 1, "ira_to_2016-06.jsonl.zst": 60} {
		for p := range realdata.EachPost(t, path, every) {
			out = append(out, p.Text)
		}
	}
	return out
}

func crisisPosts(t *testing.T, path string) (out []string) {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.LazyQuotes, r.FieldsPerRecord = true, -1
	for {
		rec, err := r.Read()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(rec) > 1 {
			out = append(out, strings.ToValidUTF8(rec[1], "\ufffd"))
		}
	}
}

// TestOrganic measures how many organic posts are hit by the view squeezed that
// plain whole-word matching of the same terms does not hit: at most one in a
// thousand. SLUICE_SHOW names a file that the hits are written to, to be read by
// a person: it is not for the tree.
func TestOrganic(t *testing.T) {
	texts := organicPosts(t)
	if len(texts) < 100_000 {
		t.Fatalf("only %d organic posts", len(texts))
	}
	var show strings.Builder
	kinds := map[string]int{}
	newPosts, plainPosts, disguised := 0, 0, 0
	for i, hits := range findAll(t, organicTerms, "squeezed", texts) {
		plain, other := false, false
		for _, h := range hits {
			if h.view == "folded" {
				plain = true
				continue
			}
			other = true
			disguised++
			kinds[h.disguise]++
			show.WriteString(h.disguise + "\t" + h.term + "\t" + texts[i][h.start:h.end] + "\t" + strings.ReplaceAll(texts[i], "\n", " ") + "\n")
		}
		if plain {
			plainPosts++
		} else if other {
			newPosts++
		}
	}
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		t.Logf("%-30s %4d hits", k, kinds[k])
	}
	share := float64(newPosts) / float64(len(texts))
	t.Logf("%d posts, %d terms: %d hit plainly, %d newly hit (%.3f %%), %d hits in disguise in all", len(texts), len(organicTerms), plainPosts, newPosts, 100*share, disguised)
	if share > 0.001 {
		t.Errorf("%.3f %% of the posts are newly hit, want at most 0.1", 100*share)
	}
	if plainPosts < len(texts)/100 {
		t.Errorf("only %d posts are hit plainly: the terms are too rare to show anything", plainPosts)
	}
	if path := os.Getenv("SLUICE_SHOW"); path != "" {
		if err := os.WriteFile(path, []byte(show.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
