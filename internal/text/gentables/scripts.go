package main

import (
	"bytes"
	"fmt"

	"github.com/sluicehq/sluice/internal/text/lang/script"
)

// letterScript returns the script of a letter, None for what is none.
func (u *ucd) letterScript(r rune) script.Script {
	switch u.category[r] {
	case "Lu", "Ll", "Lt", "Lm", "Lo":
		if s, ok := script.Names[u.script[r]]; ok {
			return s
		}
		return script.Other
	}
	return script.None
}

func writeScripts(u *ucd, b *bytes.Buffer) {
	table := make([]script.Script, script.Limit)
	for r := range rune(script.Limit) {
		table[r] = u.letterScript(r)
	}
	for r := rune(script.Limit); r <= maxRune; r++ {
		if got, want := script.Beyond(r), u.letterScript(r); want != script.None && got != want {
			panic(fmt.Sprintf("script.Beyond(%U) = %d, want %d", r, got, want))
		}
	}
	header(b, "lang")
	b.WriteString("import \"github.com/sluicehq/sluice/internal/text/lang/script\"\n\n")
	index, data := blocks(table)
	writeArray(b, "index maps a rune / 64 to a block of scripts.", "index", "uint16", "%d", index)
	writeArray(b, "letters holds blocks of the scripts of 64 letters.", "letters", "script.Script", "%d", data)
}
