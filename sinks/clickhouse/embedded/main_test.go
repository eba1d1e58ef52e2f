package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluicehq/sluice/internal/chdb"
)

// TestMain is also the child's main: Start runs this test binary again.
func TestMain(m *testing.M) {
	switch os.Getenv("SLUICE_TEST_ROLE") {
	case "child", "serve":
		opts := ServeOptions{
			EngineOptions: EngineOptions{Path: os.Getenv("SLUICE_TEST_PATH"), LockWait: 200 * time.Millisecond},
			Listen:        "127.0.0.1:0",
			Stdout:        os.Stdout,
			Logger:        slog.New(slog.NewTextHandler(os.Stderr, nil)),
		}
		if err := Serve(context.Background(), opts); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	case "parent":
		parentMain()
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) { os.Exit(code) }))
}

// parentMain starts an engine and then just lives, to be killed.
func parentMain() {
	e, err := Start(context.Background(), testOptions(os.Getenv("SLUICE_TEST_PATH")))
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println("started", e.Addr(), e.PID())
	select {}
}

func testOptions(path string) Options {
	return Options{
		EngineOptions: EngineOptions{Path: path, ShutdownTimeout: 3 * time.Second, BackgroundPoolSize: 2},
		Command:       []string{os.Args[0]},
		Env:           []string{"SLUICE_TEST_ROLE=child"},
	}
}

// needLibrary skips a test that needs the engine where it is not to be had.
func needLibrary(t testing.TB) {
	t.Helper()
	if _, err := chdb.Find(""); err != nil {
		t.Skip(err)
	}
}

// testLog sends the engine's log to the test's.
type testLog struct{ t testing.TB }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Logf("%s", p)
	return len(p), nil
}

// startTest starts an engine for one test.
func startTest(t testing.TB, change func(*Options)) *Engine {
	t.Helper()
	needLibrary(t)
	opts := testOptions(t.TempDir())
	if change != nil {
		change(&opts)
	}
	e, err := Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := e.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return e
}
