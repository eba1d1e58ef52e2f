//go:build !amd64

package disguise

// masksOf sets out[:n] for the n blocks that text begins with. The text has two
// bytes more than these.
func masksOf(text []byte, n int, out []masks) { masksGo(text, n, out) }
