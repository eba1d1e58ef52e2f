package config_test

import (
	"fmt"
	"time"

	"github.com/sluicehq/sluice/pipeline/config"
)

// A component's config is a struct with tags; its defaults are set before it is
// decoded. Whatever is wrong with the file is told with its place.
func ExampleComponent_Decode() {
	type Config struct {
		Path  string        `koanf:"path" doc:"The file to read." required:"true"`
		Every time.Duration `koanf:"every" doc:"Time between two looks." min:"1s"`
	}
	for _, text := range []string{`
pipeline: example
source:
  watch: { path: posts.ndjson, every: "${EVERY:2d}" }
sinks: [stdout]
`, `
pipeline: example
source:
  watch: { paht: posts.ndjson, every: 10 }
sinks: [stdout]
`} {
		spec, err := config.Parse("pipeline.yaml", []byte(text), config.Options{})
		if err != nil {
			fmt.Println(err)
			return
		}
		c := Config{Every: time.Minute}
		if err := spec.Source.Decode(&c); err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(spec.Source.Kind, c.Path, c.Every)
	}
	// Output:
	// watch posts.ndjson 48h0m0s
	// pipeline.yaml:4:3: source.watch: the key "path" is missing
	// pipeline.yaml:4:12: source.watch: unknown key "paht"; did you mean "path"?
	// pipeline.yaml:4:39: source.watch.every: want a duration, found the number 10; write a unit, such as 10s
}
