//go:build !unix

package disguise

import "testing"

// cpuTime runs f: there is no clock of processor time here.
func cpuTime(_ *testing.B, f func()) { f() }
