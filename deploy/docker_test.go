package deploy_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// instructions are a Dockerfile's instructions, lines joined, comments left out.
func instructions(t testing.TB) [][2]string {
	t.Helper()
	data, err := os.ReadFile("docker/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	var out [][2]string
	joined := strings.ReplaceAll(string(data), "\\\n", " ")
	for line := range strings.SplitSeq(joined, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		out = append(out, [2]string{word, strings.TrimSpace(rest)})
	}
	return out
}

// dockerStages are the names of the stages, in order.
func dockerStages(t testing.TB) (names []string) {
	t.Helper()
	for _, in := range instructions(t) {
		if f := strings.Fields(in[1]); in[0] == "FROM" && len(f) == 3 {
			names = append(names, f[2])
		}
	}
	return names
}

// TestDockerfile: stages have names, bases have versions, what is copied is
// there, and what runs is not root.
func TestDockerfile(t *testing.T) {
	known := []string{"FROM", "ARG", "COPY", "RUN", "WORKDIR", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "ENTRYPOINT", "CMD", "ENV"}
	var stages []string
	users := map[string]string{} // by stage
	base := map[string]string{}
	stage := ""
	for _, in := range instructions(t) {
		word, rest := in[0], in[1]
		f := strings.Fields(rest)
		switch word {
		case "FROM":
			if len(f) != 3 || f[1] != "AS" {
				t.Errorf("FROM %s: a stage has a name", rest)
				continue
			}
			if !slices.Contains(stages, f[0]) && !pinned.MatchString(f[0]) {
				t.Errorf("FROM %s: name a version", rest)
			}
			stage = f[2]
			base[stage] = f[0]
			users[stage] = users[f[0]]
			stages = append(stages, stage)
		case "USER":
			users[stage] = rest
		case "COPY":
			if from, ok := strings.CutPrefix(f[0], "--from="); ok {
				if !slices.Contains(stages, from) {
					t.Errorf("COPY %s: no stage %s before it", rest, from)
				}
				continue
			}
			for _, src := range f[:len(f)-1] {
				if _, err := os.Stat("../" + src); err != nil {
					t.Errorf("COPY %s: %v", rest, err)
				}
			}
		default:
			if !slices.Contains(known, word) {
				t.Errorf("instruction %s: the test does not know it", word)
			}
		}
	}
	for _, final := range []string{"server", "embedded"} {
		if !regexp.MustCompile(`^[1-9][0-9]*:[1-9][0-9]*$`).MatchString(users[final]) {
			t.Errorf("stage %s runs as %q: want ids that are not root's, as Kubernetes checks them", final, users[final])
		}
	}
	if last := stages[len(stages)-1]; last != "embedded" || base["embedded"] != "server" {
		t.Errorf("the last stage is %s on %s", last, base["embedded"])
	}
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(mod)
	if !strings.HasPrefix(base["build"], "golang:"+string(version[1])+"-") {
		t.Errorf("the binary is built with %s, and go.mod wants %s", base["build"], version[1])
	}
	text, err := os.ReadFile("docker/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "/chdb/fetch.sh") || strings.Contains(string(text), "npm install") {
		t.Error("the engine is not brought by the pin")
	}
}
