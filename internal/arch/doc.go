// Package arch holds the tests that keep the shape of the code: who may import
// whom, what an operator must not do, and that every component is listed. The
// rules are written down in docs/architecture.md. It has no code of its own.
package arch
