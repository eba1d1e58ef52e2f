package lang

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/text/fold"
	"github.com/sluicehq/sluice/internal/text/lang/profile"
)

func newDetector(tb testing.TB, languages ...string) *Detector {
	tb.Helper()
	d, err := New(languages)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func detect(d *Detector, text string) (string, float32) {
	return d.Detect([]byte(text), fold.Append(nil, []byte(text)))
}

// TestDetect has a sentence or more of each language.
func TestDetect(t *testing.T) {
	d := newDetector(t)
	found := map[string]bool{}
	for _, c := range []struct{ lang, text string }{
		{"af", "Ons gaan môre na die winkel toe om brood en melk te koop"},
		{"az", "Bu gün hava çox gözəldir və biz parka gedirik"},
		{"ca", "Aquesta tarda anirem a la platja amb els nostres amics"},
		{"cs", "Dnes je velmi hezké počasí a půjdeme na procházku"},
		{"cy", "Mae'r tywydd yn braf iawn heddiw ac rydyn ni'n mynd am dro"},
		{"da", "I dag er vejret meget smukt, og vi skal ud at gå en tur"},
		{"de", "Heute ist das Wetter sehr schön und wir gehen spazieren"},
		{"en", "The weather is very nice today and we are going for a walk"},
		{"es", "Hoy hace muy buen tiempo y vamos a dar un paseo por el parque"},
		{"et", "Täna on väga ilus ilm ja me läheme jalutama"},
		{"eu", "Gaur eguraldi oso ona egiten du eta paseatzera goaz"},
		{"fi", "Tänään on erittäin kaunis sää ja menemme kävelylle"},
		{"fr", "Il fait très beau aujourd'hui et nous allons nous promener"},
		{"ga", "Tá an aimsir go hálainn inniu agus táimid ag dul ag siúl"},
		{"ha", "Dukan mutane suna da hakki su yi rayuwa cikin 'yanci da zaman lafiya a kasarsu"},
		{"hr", "Danas je vrijeme jako lijepo i idemo u šetnju"},
		{"hu", "Ma nagyon szép idő van, és elmegyünk sétálni"},
		{"id", "Hari ini cuacanya sangat bagus dan kami akan berjalan-jalan"},
		{"is", "Veðrið er mjög gott í dag og við ætlum að fara í göngutúr"},
		{"it", "Oggi il tempo è molto bello e andiamo a fare una passeggiata"},
		{"lt", "Šiandien labai gražus oras ir mes einame pasivaikščioti"},
		{"lv", "Šodien ir ļoti skaists laiks, un mēs ejam pastaigāties"},
		{"ms", "Kerajaan berkata pihaknya akan membantu rakyat Malaysia kerana harga barang naik"},
		{"nb", "I dag er været veldig fint, og vi skal ut og gå en tur"},
		{"nl", "Vandaag is het weer erg mooi en we gaan wandelen"},
		{"pl", "Dzisiaj jest bardzo ładna pogoda i idziemy na spacer"},
		{"pt", "Hoje o tempo está muito bom e vamos dar um passeio"},
		{"ro", "Astăzi vremea este foarte frumoasă și mergem la plimbare"},
		{"sk", "Dnes je veľmi pekné počasie a ideme na prechádzku"},
		{"sl", "Danes je zelo lepo vreme in gremo na sprehod"},
		{"so", "Maanta cimiladu aad bay u fiican tahay waxaanan u soconaa jardiinada"},
		{"sq", "Sot moti është shumë i bukur dhe ne po shkojmë për një shëtitje"},
		{"sv", "Idag är vädret mycket fint och vi ska gå ut och gå"},
		{"sw", "Leo hali ya hewa ni nzuri sana na tunaenda kutembea"},
		{"tl", "Napakaganda ng panahon ngayon at maglalakad kami sa parke"},
		{"tr", "Bugün hava çok güzel ve yürüyüşe çıkıyoruz"},
		{"vi", "Hôm nay thời tiết rất đẹp và chúng tôi đi dạo"},
		{"yo", "Ojú ọjọ́ dára gan-an lónìí a sì ń lọ rìn"},
		{"zu", "Namuhla isimo sezulu sihle kakhulu futhi sizohamba ngezinyawo"},
		{"be", "Сёння вельмі добрае надвор'е, і мы ідзём на шпацыр"},
		{"bg", "Днес времето е много хубаво и отиваме на разходка"},
		{"kk", "Бүгін ауа райы өте жақсы, біз серуендеуге барамыз"},
		{"ky", "Бүгүн аба ырайы абдан жакшы жана биз эс алууга барабыз"},
		{"mk", "Денес времето е многу убаво и одиме на прошетка"},
		{"mn", "Өнөөдөр цаг агаар маш сайхан байна, бид зугаалахаар явна"},
		{"ru", "Сегодня очень хорошая погода, и мы идём гулять"},
		{"sr", "Данас је време веома лепо и идемо у шетњу"},
		{"tg", "Имрӯз ҳаво хеле хуб аст ва мо ба сайр меравем"},
		{"uk", "Сьогодні дуже гарна погода, і ми йдемо гуляти"},
		{"ar", "الطقس جميل جدا اليوم وسوف نذهب في نزهة"},
		{"ckb", "ئەمڕۆ کەشوهەوا زۆر خۆشە و ئێمە دەچین بۆ گەڕان"},
		{"fa", "امروز هوا خیلی خوب است و ما به پیاده\u200cروی می\u200cرویم"},
		{"ps", "نن هوا ډېره ښه ده او موږ چکر ته ځو چې خپل ملګري ووينو"},
		{"ug", "بۈگۈن ھاۋا ناھايىتى ياخشى، بىز سەيلىگە چىقىمىز"},
		{"ur", "آج موسم بہت اچھا ہے اور ہم سیر کے لیے جا رہے ہیں"},
		{"hi", "आज मौसम बहुत अच्छा है और हम घूमने जा रहे हैं"},
		{"mr", "आज हवामान खूप छान आहे आणि आम्ही फिरायला जात आहोत"},
		{"ne", "आज मौसम धेरै राम्रो छ र हामी घुम्न जाँदैछौं"},
		{"am", "ዛሬ የአየር ሁኔታ በጣም ጥሩ ነው"},
		{"bn", "আজ আবহাওয়া খুব ভালো"},
		{"bo", "དེ་རིང་གནམ་གཤིས་ཡག་པོ་འདུག"},
		{"dv", "މިއަދު މޫސުން ރަނގަޅު"},
		{"el", "Σήμερα ο καιρός είναι πολύ καλός"},
		{"gu", "આજે હવામાન ખૂબ સરસ છે"},
		{"he", "מזג האוויר היום יפה מאוד"},
		{"hy", "Այսօր եղանակը շատ լավն է"},
		{"ja", "今日は天気がとてもいいので散歩に行きます"},
		{"ja", "東京タワー"},
		{"ka", "დღეს ძალიან კარგი ამინდია"},
		{"km", "ថ្ងៃនេះអាកាសធាតុល្អណាស់"},
		{"kn", "ಇಂದು ಹವಾಮಾನ ತುಂಬಾ ಚೆನ್ನಾಗಿದೆ"},
		{"ko", "오늘 날씨가 정말 좋네요 Seoul"},
		{"lo", "ມື້ນີ້ອາກາດດີຫຼາຍ"},
		{"ml", "ഇന്ന് കാലാവസ്ഥ വളരെ നല്ലതാണ്"},
		{"my", "ဒီနေ့ရာသီဥတုကောင်းတယ်"},
		{"or", "ଆଜି ପାଗ ବହୁତ ଭଲ"},
		{"pa", "ਅੱਜ ਮੌਸਮ ਬਹੁਤ ਵਧੀਆ ਹੈ"},
		{"si", "අද කාලගුණය ඉතා හොඳයි"},
		{"ta", "இன்று வானிலை மிகவும் நன்றாக உள்ளது"},
		{"te", "ఈరోజు వాతావరణం చాలా బాగుంది"},
		{"th", "วันนี้อากาศดีมาก"},
		{"zh", "今天天气很好，我们去散步"},
		{"en", "RT @someone: Guten #HeuteIstEsSoWeit the weather is very nice https://beispiel.example/das-ist-gut &amp; we go walking"},
		{"ru", "@long_latin_handle @another_one сегодня хорошая погода http://latin.example/letters"},
		{"en", "𝓽𝓱𝓲𝓼 𝓲𝓼 𝓪 𝓿𝓮𝓻𝔂 𝓷𝓲𝓬𝓮 𝓭𝓪𝔂 𝓯𝓸𝓻 𝓾𝓼 𝓪𝓵𝓵"},
		{"en", "ｗｅ ａｒｅ ｇｏｉｎｇ ｔｏ ｔｈｅ ｍａｒｋｅｔ"},
		{"de", "Das ist sooooo schöööön und wir freuen uns alle"},
		{"fr", "Nous sommes tre\u0300s heureux de vous voir aujourd\u2019hui"},
	} {
		got, sure := detect(d, c.text)
		if got != c.lang || sure < 0.5 {
			t.Errorf("%q: %q, confidence %.2f, want %q and 0.5 at least", c.text, got, sure, c.lang)
		}
		found[got] = true
	}
	for _, l := range Languages() {
		if !found[l] {
			t.Errorf("no text of %q was found", l)
		}
	}
}

// TestUnsure has texts for which there is no one answer: none may be given with
// confidence.
func TestUnsure(t *testing.T) {
	d := newDetector(t)
	for _, text := range []string{
		"", " \n", "12345 67", "!!! ??? ...", "🎉🎉🔥 👩‍👩‍👧‍👦", "#onlytags #sonstnichts #rien", "@someone @someoneelse", "https://www.example.org/some/path?q=the",
		"example.org/the-only-thing", "\u0301\u0302\u200d\u202e", "\u093e\u094d", "ᚠᚢᚦᚨᚱᚲ",
		"ok", "no", "hmm", "hahahahaha lol xD", "asdf qwer zxcv hjkl uiop bnm", "sdkjfh wkjehr kjsdhf wekjrh",
		"I was going to the store pero mi mamá me dijo que no podía ir", "we have to finish this today aber ich habe keine Zeit mehr dafür",
		"ya habibi ana mish 3aref eh elly hasal da", "salam alaykum khoya labas 3lik", "wesh rak dayer khouya lyoum", "kifak shu a5barak 7abibi inshallah bukra 3a 9ahwe",
		"yeh kya bakwas hai yaar, mujhe samajh nahi aaya", "privet kak dela segodnya vecherom", "spasibo bolshoe za vse druzya moi",
	} {
		if got, sure := detect(d, text); sure >= 0.6 {
			t.Errorf("%q: %q, confidence %.2f, want less than 0.6", text, got, sure)
		}
	}
}

// TestMonotone checks that more of the same makes a language surer.
func TestMonotone(t *testing.T) {
	d := newDetector(t)
	text := "heute ist das Wetter sehr schön und wir gehen spazieren"
	last := float32(0)
	for n := 5; n < len(text); n += 10 {
		_, sure := detect(d, text[:n])
		if sure < last-0.2 {
			t.Errorf("%q: confidence %.2f, after %.2f", text[:n], sure, last)
		}
		last = sure
	}
	if last < 0.99 {
		t.Errorf("confidence %.2f at the end", last)
	}
}

func TestRestricted(t *testing.T) {
	d := newDetector(t, "de", "nl", "ko")
	for _, c := range []struct{ text, want string }{
		{"vandaag is het weer erg mooi en we gaan wandelen", "nl"},
		{"오늘 날씨가 정말 좋네요", "ko"},
		{"วันนี้อากาศดีมาก", ""},
		{"сегодня очень хорошая погода", ""},
	} {
		if got, sure := detect(d, c.text); got != c.want {
			t.Errorf("%q: %q, confidence %.2f, want %q", c.text, got, sure, c.want)
		}
	}
	if _, err := New([]string{"en", "klingon"}); err == nil || !strings.Contains(err.Error(), `language "klingon" is not known`) {
		t.Errorf("unknown language: %v", err)
	}
}

func TestCodes(t *testing.T) {
	c := AllCodes()
	for tag, want := range map[string]string{
		"en": "en", "EN": "en", "en-US": "en", "pt_BR": "pt", "zh-hans-cn": "zh", "eng": "en", "ckb": "ckb", "ceb": "ceb",
		"iw": "he", "in": "id", "no": "nb", "nn": "nn", "fil": "tl", "tl": "tl",
		"": "", "und": "", "zxx": "", "mul": "", "mis": "", "art": "", "qme": "", "qst": "", "qht": "", "qaa": "",
		"e": "", "xx": "", "english": "", "e1": "", "1": "", "-": "", "en1": "", "日本": "", "@@": "",
	} {
		if got := c.Normal([]byte(tag)); got != want {
			t.Errorf("%q: %q, want %q", tag, got, want)
		}
	}
	for _, l := range Languages() {
		if got := c.Normal([]byte(l)); got != l {
			t.Errorf("detected code %q is normally %q", l, got)
		}
	}
}

// TestLong checks that what is beyond MaxBytes has no say, and costs nothing.
func TestLong(t *testing.T) {
	d := newDetector(t)
	text := strings.Repeat("heute ist das Wetter sehr schön. ", 40)
	if len(text) < MaxBytes {
		t.Fatal("too short")
	}
	lang, sure := detect(d, text[:MaxBytes])
	if l, s := detect(d, text+strings.Repeat(" the weather is nice", 1000)); l != lang || s != sure || l != "de" {
		t.Errorf("%q %v, of the beginning %q %v", l, s, lang, sure)
	}
}

func TestNoAllocation(t *testing.T) {
	d, c := newDetector(t), AllCodes()
	texts := [][]byte{[]byte("the weather is nice, https://x.example"), []byte("сегодня хорошая погода"), []byte("今日は天気"), []byte("𝓽𝓱𝓲𝓼"), nil}
	if n := testing.AllocsPerRun(100, func() {
		for _, text := range texts {
			d.Detect(text, text)
			c.Normal(text)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzDetect(f *testing.F) {
	for _, s := range []string{"", "the weather", "погода", "हिन्दी", "\u093e the", "é\xff\xc3", "\xf0\x9f", "://a.b", "rt @x", "aaaa", "7abibi", "今日は", "a&amp;b", "\xd8"} {
		f.Add([]byte(s))
	}
	d := newDetector(f)
	known := Languages()
	codes := AllCodes()
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		lang, sure := d.Detect(text, nil)
		if !(sure >= 0 && sure <= 1) || lang != "" && !slices.Contains(known, lang) {
			t.Errorf("%q: %q, confidence %v", text, lang, sure)
		}
		if l, s := d.Detect(text, nil); l != lang || s != sure || !bytes.Equal(text, before) {
			t.Errorf("%q: %q %v, then %q %v", before, lang, sure, l, s)
		}
		d.exact(text)
		codes.Normal(text[:min(len(text), 8)])
	})
}

// TestProfiles checks that a file that was cut or changed is refused, and that
// the one that is there is what Append makes of it.
func TestProfiles(t *testing.T) {
	set, err := profile.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(profile.Append(nil, set), file) {
		t.Error("parsed and written again, the profiles differ")
	}
	for name, b := range map[string][]byte{
		"empty": nil, "cut": file[:len(file)/2], "longer": append(bytes.Clone(file), 0), "other": []byte(strings.Repeat("x", 100)),
	} {
		if _, err := profile.Parse(b); err == nil || !strings.Contains(err.Error(), "language profiles") {
			t.Errorf("%s: %v", name, err)
		}
	}
	changed := bytes.Clone(file)
	changed[len(changed)/3] ^= 1
	if _, err := profile.Parse(changed); err == nil || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("changed: %v", err)
	}
	if len(file) > 2<<20 {
		t.Errorf("%d bytes", len(file))
	}
	t.Logf("%d languages, %d bytes", len(Languages()), len(file))
}

func BenchmarkDetect(b *testing.B) {
	d := newDetector(b)
	for _, c := range []struct{ name, text string }{
		{"latin", "the weather is very nice today and we are all going for a long walk in the park before it rains #walk http://x.example/ab"},
		{"cyrillic", "сегодня очень хорошая погода и мы идём гулять в парк @someone"},
		{"kana", "今日は天気がとてもいいので散歩に行きます"},
	} {
		b.Run(c.name, func(b *testing.B) {
			text := []byte(c.text)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				d.Detect(text, nil)
			}
		})
	}
}
