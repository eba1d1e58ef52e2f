package graph

import (
	"errors"

	"github.com/sluicehq/sluice/pipeline"
)

// Cautions returns what sinks have to say to the user because several processes
// may run the pipeline, with their places in the config.
func (g *Graph) Cautions() (out []error) {
	if p, ok := g.Source.(pipeline.SharedPlan); !ok || !p.Shared() {
		return nil
	}
	for _, s := range g.Sinks {
		if c, ok := s.Plan.(pipeline.Cautious); ok && c.Caution() != "" {
			out = append(out, s.component.Locate(errors.New(c.Caution())))
		}
	}
	return out
}
