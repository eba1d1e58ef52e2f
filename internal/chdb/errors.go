package chdb

import (
	"strconv"
	"strings"
)

// Error is an exception of the engine.
type Error struct {
	// Code is ClickHouse's error code (60 is UNKNOWN_TABLE), or 0 where the
	// text has none.
	Code int
	// Text is the message as the engine gave it, with its "Code: N." in front
	// where it has one.
	Text string
}

// Error returns the engine's text.
func (e *Error) Error() string { return e.Text }

// newError takes the code from a text such as
//
//	Error: Code: 60. DB::Exception: Unknown table ... (UNKNOWN_TABLE)
func newError(text string) *Error {
	text = strings.TrimSpace(text)
	const mark = "Code: "
	at := strings.Index(text, mark)
	if at < 0 {
		return &Error{Text: text}
	}
	digits := text[at+len(mark):]
	end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' })
	if end <= 0 || digits[end] != '.' {
		return &Error{Text: text}
	}
	code, err := strconv.Atoi(digits[:end])
	if err != nil {
		return &Error{Text: text}
	}
	return &Error{Code: code, Text: text[at:]}
}
