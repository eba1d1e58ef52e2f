package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/rogpeppe/go-internal/testscript"
)

// scriptCommands are what testdata/script has beside testscript's own:
//
//	exits CODE PROGRAM ARGS...   run and check the exit code
//	until PATTERN PROGRAM ARGS...  run again and again until its output has the text, for 20 s
//	term NAME                    send SIGTERM to the process whose id is in the file NAME
//	occupy VAR                   listen on a free port of 127.0.0.1, and put the address into $VAR
//	zstd FROM TO [CUT]           compress a file, without its last CUT bytes
//	posts FILE N                 write N plain posts as JSON lines
//	labelled FILE N              write N posts with labels as CSV: every third has a word that the others lack
func scriptCommands() map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"exits": scriptExits, "until": scriptUntil, "term": scriptTerm, "occupy": scriptOccupy, "zstd": scriptZstd, "posts": scriptPosts,
		"labelled": scriptLabelled,
	}
}

func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

func scriptUntil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until TEXT PROGRAM ARGS...")
	}
	var out []byte
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		// By a shell, which finds programs by the script's PATH.
		c := exec.Command("sh", append([]string{"-c", `exec "$0" "$@"`}, args[1:]...)...)
		c.Dir, c.Env = ts.MkAbs("."), append(os.Environ(), "PATH="+ts.Getenv("PATH"), "CHDB_LIB_PATH="+ts.Getenv("CHDB_LIB_PATH"))
		out, _ = c.CombinedOutput() // it may fail until it is time
		if strings.Contains(string(out), args[0]) {
			return
		}
	}
	ts.Fatalf("no %q within 20 s; the last output was:\n%s", args[0], out)
}

func scriptTerm(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: term FILE")
	}
	pid, err := strconv.Atoi(strings.TrimSpace(ts.ReadFile(args[0])))
	ts.Check(err)
	ts.Check(syscall.Kill(pid, syscall.SIGTERM))
}

func scriptOccupy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: occupy VAR")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	ts.Setenv(args[0], l.Addr().String())
}

func scriptZstd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: zstd FROM TO [CUT]")
	}
	cut := 0
	if len(args) == 3 {
		var err error
		cut, err = strconv.Atoi(args[2])
		ts.Check(err)
	}
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b)
	ts.Check(err)
	_, err = w.Write([]byte(ts.ReadFile(args[0])))
	ts.Check(errors.Join(err, w.Close()))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b.Bytes()[:b.Len()-cut], 0o600))
}

func scriptPosts(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: posts FILE N")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, `{"id":"p%d","created_at":"2026-01-01T00:00:%02dZ","author":{"id":"a%d"},"text":"post number %d"}`+"\n", i, i%60, i%7, i)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b.Bytes(), 0o600))
}

func scriptLabelled(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: labelled FILE N")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	b := []byte("class,tweet\n")
	for i := range n {
		if i%3 == 0 {
			b = fmt.Appendf(b, "1,\"you, zorvath offers w%d\"\n", i)
		} else {
			b = fmt.Appendf(b, "0,a walk in the snow of w%d\n", i)
		}
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
}
