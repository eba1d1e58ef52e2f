package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sluicehq/sluice/internal/chdb"
)

// asSluice, when set in the environment, makes the test binary behave as the
// sluice command: tests start it as processes of its own, and so does the
// program itself for the embedded engine.
const asSluice = "TEST_AS_SLUICE"

func TestMain(m *testing.M) {
	if os.Getenv(asSluice) != "" {
		os.Exit(Main(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// sluice returns the command `sluice args...`, not started.
func sluice(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(context.WithoutCancel(t.Context()), exe, args...)
	c.Env = append(os.Environ(), asSluice+"=1")
	return c
}

// needEngine skips a test where libchdb is not to be had.
func needEngine(t testing.TB) {
	t.Helper()
	if _, err := chdb.Find(""); err != nil {
		t.Skipf("no ClickHouse engine: %v", err)
	}
}

// TestScripts runs the command line as a user does: testdata/script/*.txt.
func TestScripts(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	examples, err := filepath.Abs("../../deploy/examples")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", Cmds: scriptCommands(),
		UpdateScripts: os.Getenv("SLUICE_TEST_UPDATE") != "", // writes what cmp stdout compares with
		Setup: func(env *testscript.Env) error {
			bin := filepath.Join(env.WorkDir, ".bin")
			if err := os.Mkdir(bin, 0o755); err != nil {
				return err
			}
			script := "#!/bin/sh\n" + asSluice + "=1 exec " + exe + ` "$@"` + "\n"
			if err := os.WriteFile(filepath.Join(bin, "sluice"), []byte(script), 0o755); err != nil {
				return err
			}
			env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("EXAMPLES", examples)
			for _, name := range []string{"CHDB_LIB_PATH", "XDG_CACHE_HOME", "SLUICE_CACHE"} {
				env.Setenv(name, os.Getenv(name))
			}
			if lib, err := chdb.Find(""); err == nil { // scripts have no HOME to find it in
				env.Setenv("CHDB_LIB_PATH", lib)
			}
			return nil
		},
		Condition: func(cond string) (bool, error) {
			_, err := chdb.Find("")
			return cond == "engine" && err == nil, nil
		},
	})
}
