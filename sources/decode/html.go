package decode

import (
	"bytes"
	"html"
)

// span is a range of bytes.
type span struct{ from, to int }

// stripHTML appends the text of an HTML fragment to dst, and the places of
// links' href values in src to links. It is made for what Mastodon servers
// give: paragraphs become empty lines, <br> and list items new lines, other
// tags vanish, character references are decoded; links to profiles and
// hashtags (class mention or hashtag) are left out of links. It is linear in
// src, whatever that holds; a '<' that begins no tag is text.
func stripHTML(dst, src []byte, links []span) ([]byte, []span) {
	begin := len(dst)
	for i := 0; i < len(src); {
		n := bytes.IndexAny(src[i:], "<&")
		if n < 0 {
			return append(dst, src[i:]...), links
		}
		text := src[i : i+n]
		if len(dst) == begin || dst[len(dst)-1] == '\n' {
			text = bytes.TrimLeft(text, "\r\n") // line ends between blocks
		}
		dst = append(dst, text...)
		i += n
		if src[i] == '&' {
			var used int
			dst, used = appendReference(dst, src[i:])
			i += used
			continue
		}
		end := tagEnd(src, i)
		if end < 0 { // no tag ends from here on: all is text, but for references
			dst = append(dst, '<')
			return appendReferences(dst, src[i+1:]), links
		}
		if end == i {
			dst = append(dst, '<')
			i++
			continue
		}
		tag := src[i+1 : end-1]
		dst = appendBreak(dst, begin, tag)
		if at, ok := link(tag); ok {
			links = append(links, span{i + 1 + at.from, i + 1 + at.to})
		}
		i = end
	}
	return dst, links
}

// tagEnd returns the position after the tag at src[i] == '<': i if it is none,
// -1 if it has no end.
func tagEnd(src []byte, i int) int {
	if i+1 >= len(src) {
		return i
	}
	if c := src[i+1]; (c|0x20 < 'a' || c|0x20 > 'z') && c != '/' && c != '!' {
		return i
	}
	for quote, k := byte(0), i+1; k < len(src); k++ {
		switch c := src[k]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			return k + 1
		}
	}
	return -1
}

// appendBreak appends the line breaks that a tag (without its brackets) stands
// for. There are none at the beginning.
func appendBreak(dst []byte, begin int, tag []byte) []byte {
	name, _, _ := bytes.Cut(bytes.Trim(tag, "/"), []byte{' '})
	if len(dst) == begin {
		return dst
	}
	want, have := 0, 0 // line ends that there must be, and that there are
	switch string(bytes.ToLower(name[:min(len(name), 10)])) {
	case "br":
		return append(dst, '\n')
	case "li", "div", "tr":
		want = 1
	case "p", "ul", "ol", "blockquote", "pre":
		want = 2
	}
	for have < want && have < len(dst)-begin && dst[len(dst)-1-have] == '\n' {
		have++
	}
	for ; have < want; have++ {
		dst = append(dst, '\n')
	}
	return dst
}

// link returns the place of an <a> tag's href, unless it is a mention or a
// hashtag.
func link(tag []byte) (span, bool) {
	if len(tag) < 2 || tag[0]|0x20 != 'a' || tag[1] != ' ' {
		return span{}, false
	}
	if class, ok := attribute(tag, ` class="`); ok {
		for c := range bytes.FieldsSeq(tag[class.from:class.to]) {
			if string(c) == "mention" || string(c) == "hashtag" {
				return span{}, false
			}
		}
	}
	return attribute(tag, ` href="`)
}

func attribute(tag []byte, name string) (span, bool) {
	at := bytes.Index(tag, []byte(name))
	if at < 0 {
		return span{}, false
	}
	at += len(name)
	n := bytes.IndexByte(tag[at:], '"')
	return span{at, at + n}, n > 0
}

// maxReference is the length of the longest character reference that is
// decoded, & and ; included.
const maxReference = 32

// appendReference decodes the character reference that src begins with, and
// returns how much of src it took. What is no reference is text.
func appendReference(dst, src []byte) ([]byte, int) {
	n := bytes.IndexByte(src[:min(len(src), maxReference)], ';')
	if n < 0 {
		return append(dst, '&'), 1
	}
	return append(dst, html.UnescapeString(string(src[:n+1]))...), n + 1
}

// appendReferences appends src with its character references decoded.
func appendReferences(dst, src []byte) []byte {
	for {
		n := bytes.IndexByte(src, '&')
		if n < 0 {
			return append(dst, src...)
		}
		dst = append(dst, src[:n]...)
		var used int
		dst, used = appendReference(dst, src[n:])
		src = src[n+used:]
	}
}
