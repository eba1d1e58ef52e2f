package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/pipeline"
)

const canary = `canary-7f"3e\x`

// secretWorld gives the canary for every variable and file.
func secretWorld() Options {
	return Options{
		Env: func(name string) (string, bool) {
			if name == "OK" {
				return "fine", true
			}
			return canary, true
		},
		ReadFile: func(name string) ([]byte, error) {
			if name == "/x" {
				return []byte(canary + "\n"), nil
			}
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		},
	}
}

// leaks tells whether text shows the canary, bare or quoted.
func leaks(text string) bool {
	return strings.Contains(text, canary) || strings.Contains(text, strings.Trim(strconv.Quote(canary), `"`)) ||
		strings.Contains(text, "canary-7f")
}

// TestNoSecretInErrors puts an interpolated secret into every position of a
// file, whole and as part of a text, and looks at all errors that this makes.
func TestNoSecretInErrors(t *testing.T) {
	positions := []string{
		"pipeline: %s\nsource: s\nsinks: [s]\n",
		"pipeline: p\nsource: %s\nsinks: [s]\n",
		"pipeline: p\nsource: { s: %s }\nsinks: [s]\n",
		"pipeline: p\nsource: { s: { name: %s } }\nsinks: [s]\n",
		"pipeline: p\nsource: s\nsteps: %s\nsinks: [s]\n",
		"pipeline: p\nsource: s\nsteps: [%s, { s: { from: %[1]s } }]\nsinks: [s]\n",
		"pipeline: p\nsource: s\nsinks: %s\n",
		"pipeline: p\nsource: s\nsinks: [{ s: { from: %s } }, { s: { from: [%[1]s, %[1]s] } }]\n",
		"pipeline: p\nsource: s\nsinks: [{ s: { name: %s } }, { s: { name: %[1]s } }]\n",
		"pipeline: p\nsource: s\nsinks: [s]\ninclude: %s\n",
		"pipeline: p\nsource: s\nsinks: [s]\ninclude: [%s]\n",
		"pipeline: p\nsource: s\nsinks: [s]\nengine: %s\n",
		"pipeline: p\nsource: s\nsinks: [s]\nunknown: %s\n",
	}
	for _, f := range FieldDocs(defaults()) {
		keys := strings.Split(f.Path, ".")
		if keys[0] == "pipeline" || keys[0] == "source" || keys[0] == "steps" || keys[0] == "sinks" || keys[0] == "include" {
			continue
		}
		body := "%s"
		for i := len(keys) - 1; i > 0; i-- {
			body = "{ " + keys[i] + ": " + body + " }"
		}
		positions = append(positions, "pipeline: p\nsource: s\nsinks: [s]\n"+keys[0]+": "+body+"\n")
	}
	failed := 0
	for _, p := range positions {
		for _, ref := range []string{`"${SECRET}"`, `"a ${SECRET} b"`, `"${file:/x}"`, `"${OK}${SECRET}"`} {
			_, err := Parse("p.yaml", fmt.Appendf(nil, p, ref), secretWorld())
			if err == nil {
				continue
			}
			failed++
			if leaks(err.Error()) {
				t.Errorf("secret in the error of\n%s\n%v", fmt.Sprintf(p, ref), err)
			}
		}
	}
	if failed < len(positions) {
		t.Errorf("only %d of %d positions gave errors: the test looks at too little", failed, len(positions))
	}
}

// TestNoSecretInDecodeErrors does the same for each setting of a component.
func TestNoSecretInDecodeErrors(t *testing.T) {
	failed := 0
	for _, f := range fieldsOf(reflect.TypeFor[kitchen]()) {
		for _, form := range []string{`"${SECRET}"`, `["${SECRET}"]`, `{ a: "${SECRET}" }`, `{ a: { path: x, view: "${SECRET}" } }`} {
			text := "pipeline: p\nsource: s\nsinks: [s]\nsteps:\n  - kitchen:\n      " + f.key + ": " + form + "\n"
			s, err := Parse("p.yaml", []byte(text), secretWorld())
			if err != nil {
				t.Fatalf("%s\n%v", text, err)
			}
			if err := s.Steps[0].Decode(newKitchen()); err != nil {
				failed++
				if leaks(err.Error()) {
					t.Errorf("secret in the error of\n%s\n%v", text, err)
				}
			}
			if leaks(string(s.Raw())) {
				t.Errorf("secret in Raw: %s", s.Raw())
			}
		}
	}
	if failed < 40 {
		t.Errorf("only %d errors: the test looks at too little", failed)
	}
}

// dsn is a component whose own errors quote what they are given.
type dsn struct {
	URL      string          `koanf:"url" doc:"An address."`
	Password pipeline.Secret `koanf:"password" doc:"A password."`
	Size     int             `koanf:"size" doc:"A size."`
}

func (d *dsn) Validate() error {
	_, err := url.Parse(d.URL + "\x7f") // an error that quotes the address
	return errors.Join(
		&pipeline.FieldError{Path: "url", Err: err},
		fmt.Errorf("can not log in with %q", d.Password.Reveal()),
		&pipeline.FieldError{Path: "size", Err: fmt.Errorf("size %d is not 13", d.Size)},
	)
}

func TestLocateScrubsSecrets(t *testing.T) {
	text := `pipeline: p
source: s
sinks:
  - s:
      url: "http://user:${SECRET}@host"
      password: literal-secret
      size: ${SIZE}
`
	o := Options{
		Env: func(n string) (string, bool) {
			return map[string]string{"SECRET": "pa55word", "SIZE": "7"}[n], true
		},
		Environ: []string{"SLUICE_SINKS__0__S__PASSWORD=other-secret"},
	}
	s, err := Parse("p.yaml", []byte(text), o)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Sinks[0].Decode(&dsn{})
	if err == nil {
		t.Fatal("no error")
	}
	want := `p.yaml:4:5: sinks.0.s: can not log in with "[SLUICE_SINKS__0__S__PASSWORD]"
p.yaml:5:12: sinks.0.s.url: parse "http://user:${SECRET}@host\x7f": net/url: invalid control character in URL
p.yaml:7:13: sinks.0.s.size: size ${SIZE} is not 13`
	if got := err.Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	o.Environ = nil
	if s, err = Parse("p.yaml", []byte(text), o); err != nil {
		t.Fatal(err)
	}
	if err = s.Sinks[0].Decode(&dsn{}); err == nil || strings.Contains(err.Error(), "literal-secret") || !strings.Contains(err.Error(), "[secret]") {
		t.Errorf("a literal secret: %v", err)
	}
}

// TestShownHidesSecrets: the settings as people see them have no value that was
// decoded as a secret, that came by a variable of the config, or by ${...}.
func TestShownHidesSecrets(t *testing.T) {
	o := secretWorld()
	o.Environ = []string{"SLUICE_SINKS__0__S__NOTE=" + canary}
	spec, err := Parse("p.yaml", []byte("pipeline: p\nsource: s\nsinks: [{ s: { token: 'canary-7f-written', url: 'http://${X}', keys: [canary-7f, b], note: x, plain: here } }]\n"), o)
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Token pipeline.Secret   `koanf:"token"`
		URL   string            `koanf:"url"`
		Keys  []pipeline.Secret `koanf:"keys"`
		Note  string            `koanf:"note"`
		Plain string            `koanf:"plain"`
	}
	if err := spec.Sinks[0].Decode(&c); err != nil {
		t.Fatal(err)
	}
	got := string(spec.Sinks[0].Shown())
	want := `{"keys":["[secret]","[secret]"],"note":"[secret]","plain":here,"token":"[secret]","url":"http://${X}"}`
	if got = strings.ReplaceAll(got, `"here"`, "here"); got != want || leaks(got) {
		t.Errorf("got %s, want %s", got, want)
	}
	if c.Token.Reveal() != "canary-7f-written" || !strings.Contains(string(spec.Sinks[0].Raw()), "canary-7f-written") {
		t.Error("the settings themselves have changed")
	}
}
