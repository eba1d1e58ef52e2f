// Package peer holds the SQL that a ClickHouse user would write for the work
// that Sluice does, to measure against.
package peer

import _ "embed" // for the SQL

// Setup creates the tables; {terms} stands for the file of terms.
//
//go:embed setup.sql
var Setup string

// SelectSet matches terms as a set of words; {posts} stands for the file.
//
//go:embed select_set.sql
var SelectSet string

// SelectSubstring matches terms as substrings; {needles} stands for the array
// of terms.
//
//go:embed select_substring.sql
var SelectSubstring string
