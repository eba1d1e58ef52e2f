package match

// doc is the operator's page in the reference.
const doc = "`match` holds lists of terms against posts. Its time hardly grows with the lists: they may have a million terms.\n\n" +
	`Adds ` + "`match.<list>`" + `, the number of hits of each list, and ` + "`weight.<list>`" + `, the sum of their weights (both for later steps, not
stored), and one element a hit in the lists ` + "`hits.list`, `hits.term`, `hits.start`, `hits.end`, `hits.view`, `hits.disguise` and `hits.weight`" + `.
Start and end are bytes of the original text, and 0 and 0 for a hit in another column. All hits are reported, also those that
overlap, ordered by place, list and term. Of one post 4,096 are kept: the first ones that each kind of match found, and of these
the first by place. A post that has 4,096 may have more.

#### Kinds of match

| match | written as | what it finds |
|---|---|---|
| ` + "`whole`" + ` | ` + "`krelling dawn`" + ` | whole words in that order, whatever but words stands between them, at most 64; in scripts without spaces two or more characters anywhere. ` + "`#word`" + ` is the hashtag only, ` + "`$abc`" + ` the cashtag only, ` + "`word` and `abc`" + ` those too |
| ` + "`prefix`" + ` | ` + "`recruit*`" + ` | words and hashtags that begin so; ` + "`#recruit*`" + ` hashtags only |
| ` + "`wildcard`" + ` | ` + "`w?rd`, `pre*fix`" + ` | one word or hashtag of at most 256 bytes; ` + "`?`" + ` is one character, ` + "`*`" + ` any number. At most 1,000 without three bytes in a row |
| ` + "`substring`" + ` | ` + "`substring:abc`" + ` | anywhere, within words and over their borders; at least three bytes when folded |
| ` + "`regex`" + ` | ` + "`regex:colou?rs?`" + ` | an expression of [RE2](https://golang.org/s/re2syntax), at most 16 hits in a post. It is run where a literal of three bytes that it needs is found; one that needs none runs on every post (16 of these at most, with a warning). ` + "`\\b` and `\\w`" + ` know ASCII only |
| ` + "`url`" + ` | ` + "`url:example.com/path`" + ` | URLs of that host or one below it, with that path or one below it, and its query up to a ` + "`&`" + `. Scheme, ` + "`www.`" + `, user, port and case do not count (in the view raw the case of the path does), and Punycode is decoded |

A term of the view ` + "`skeleton` or `squeezed`" + ` is looked for in the folded text, and whole words and phrases of words of three letters or more
also where they are in disguise, but not in URLs, e-mail addresses and mentions. Each occurrence is reported once, with the first view that
shows it and the kinds of disguise, such as ` + "`leet+spaced`" + `.

Marks are read in all formats where neither the term nor the list names a match: ` + "`regex:`, `substring:`, `url:`, `prefix:`, `wildcard:`, `whole:`" + ` at
the beginning, then ` + "`*` and `?`" + ` in a single word. A backslash takes the meaning of ` + "`*`, `?`, `#`" + ` and of itself away: ` + "`5\\*`" + `. A ` + "`?`" + ` at the end of a
word is a question mark, and URLs that begin with a scheme or ` + "`www.`" + ` have no marks. Where a match is named, the term is taken as it stands
(a ` + "`wildcard`" + ` has its marks), so ` + "`match: whole`" + ` with ` + "`a*b`" + ` means the star.

With ` + "`on`" + ` a list is held against another column of strings: a value must match as if it were one word, or be equal to a whole term. On
` + "`url_domains`" + ` it may also be below it (a.example.com is below example.com); on ` + "`urls`" + ` terms are URLs.

#### Files

The ending of the name tells the format. All are UTF-8, with or without a byte order mark, of at most 256 MiB (YAML: 16 MiB).

- Text: a term a line. ` + "`# `" + ` begins a comment, ` + "`\\#word`" + ` is a hashtag, blank lines are skipped.
- ` + "`.csv`" + `: a header with a column ` + "`term`" + ` and any of ` + "`weight`, `language`, `view`, `match`, `note`" + `; other columns are ignored, and a line
  of the log says so. Fields with commas or quotes are in quotes.
- ` + "`.yaml`" + `: a list of strings, or of maps with these names as keys; other keys are errors.

A **weight** is a number from -1,000,000 to 1,000,000, 1 by default. A term with a **language** (a tag of BCP 47) counts only in posts of
that language or a variety of it (` + "`pt`" + ` in ` + "`pt-br`" + `, not the other way round), and in posts whose language is not known; it is taken from the
column ` + "`language`" + ` where a language step ran, else from ` + "`lang`" + `. A term's **view** goes before that of the list. A **note** is for people.
A term that is there twice in a list, in one language, view and match, counts once; the first such term is logged.
`
