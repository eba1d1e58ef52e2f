package jetstream

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/klauspost/compress/zstd"
)

// logged is an event in a server's log.
type logged struct {
	timeUS          int64
	did, collection string
	text            string // as a frame
}

// fakeServer is a Jetstream server: it replays its log from the cursor on, then
// sends what is added, filtered as the subscriber asks.
type fakeServer struct {
	t    testing.TB
	http *httptest.Server
	skew int64 // of its clock

	mu      sync.Mutex
	log     []logged
	grown   chan struct{}
	dropAt  func(connection, sent int) bool   // breaks the connection before an event
	before  func(connection, sent int) []byte // a frame before an event; nil for none
	pause   time.Duration                     // between groups of 32 frames
	deaf    bool                              // takes connections and sends nothing
	dict    []byte
	queries []string
	status  int // answer instead of a websocket
}

func newServer(t testing.TB, skew int64) *fakeServer {
	f := &fakeServer{t: t, skew: skew, grown: make(chan struct{})}
	f.http = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.http.Close)
	return f
}

func (f *fakeServer) url() string {
	return "ws" + strings.TrimPrefix(f.http.URL, "http") + "/subscribe"
}

// add appends event number i to the log, with this server's time.
func (f *fakeServer) add(i int) {
	did := fmt.Sprintf("did:plc:author%d", i%7)
	us := base + int64(i)*20_000 + f.skew
	collection := "app.bsky.feed.post"
	if i%10 == 9 {
		collection = "app.bsky.feed.like"
	}
	text := fmt.Sprintf(`{"did":%q,"time_us":%d,"kind":"commit","commit":{"rev":"r%d","operation":"create","collection":%q,"rkey":"k%d","record":{"$type":%q,"createdAt":"2024-11-21T16:09:27.095Z","text":"post %d"},"cid":"c%d"}}`,
		did, us, i, collection, i, collection, i, i)
	f.addText(logged{us, did, collection, text})
}

const base = 1_732_206_349_000_000

func (f *fakeServer) addText(l logged) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, l)
	close(f.grown)
	f.grown = make(chan struct{})
}

func (f *fakeServer) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	n := len(f.queries)
	f.queries = append(f.queries, r.URL.RawQuery)
	status := f.status
	f.mu.Unlock()
	if status != 0 {
		http.Error(w, "not so", status)
		return
	}
	q := r.URL.Query()
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		f.t.Errorf("accept: %v", err)
		return
	}
	defer func() { _ = conn.CloseNow() }()
	dids := q["wantedDids"]
	if q.Get("requireHello") == "true" {
		_, b, err := conn.Read(r.Context())
		var hello struct {
			Type    string
			Payload struct{ WantedDids []string }
		}
		if err != nil || json.Unmarshal(b, &hello) != nil || hello.Type != "options_update" {
			f.t.Errorf("hello %q, %v", b, err)
		}
		dids = hello.Payload.WantedDids
	}
	ctx := conn.CloseRead(r.Context())
	if f.deaf {
		<-ctx.Done()
		return
	}
	var enc *zstd.Encoder
	if q.Get("compress") == "true" {
		if enc, err = zstd.NewWriter(nil, zstd.WithEncoderDict(f.dict)); err != nil {
			f.t.Error(err)
			return
		}
		defer enc.Close()
	}
	cursor, live := int64(0), true
	if c := q.Get("cursor"); c != "" {
		live = false
		if cursor, err = strconv.ParseInt(c, 10, 64); err != nil {
			f.t.Errorf("cursor %q", c)
		}
	}
	f.mu.Lock()
	at := 0
	if live {
		at = len(f.log)
	}
	f.mu.Unlock()
	for sent := 0; ; {
		f.mu.Lock()
		grown := f.grown
		var l logged
		have := at < len(f.log)
		if have {
			l = f.log[at]
			at++
		}
		f.mu.Unlock()
		if !have {
			select {
			case <-grown:
				continue
			case <-ctx.Done():
				return
			}
		}
		if l.timeUS < cursor || len(q["wantedCollections"]) > 0 && !slices.Contains(q["wantedCollections"], l.collection) || len(dids) > 0 && !slices.Contains(dids, l.did) {
			continue
		}
		if f.dropAt != nil && f.dropAt(n, sent) {
			return
		}
		if f.before != nil {
			if b := f.before(n, sent); b != nil && conn.Write(ctx, websocket.MessageText, b) != nil {
				return
			}
		}
		kind, b := websocket.MessageText, []byte(l.text)
		if enc != nil {
			kind, b = websocket.MessageBinary, enc.EncodeAll(b, nil)
		}
		if conn.Write(ctx, kind, b) != nil {
			return
		}
		sent++
		if f.pause > 0 && sent%32 == 0 {
			time.Sleep(f.pause)
		}
	}
}

func (f *fakeServer) asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.queries)
}
