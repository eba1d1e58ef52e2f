package chdb

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// PinnedVersion is the build of libchdb that this binding is tested with; it is
// the version in deploy/chdb/pin.
const PinnedVersion = "26.7.3-stable.1"

// Find returns the file of libchdb. It looks, in this order, at explicit, at
// the environment variable CHDB_LIB_PATH (a file, or its folder), at the cache
// that deploy/chdb/fetch.sh fills, beside the executable and in the lib folder
// beside its folder, and in the system's library folders. A place that is named
// (explicit, CHDB_LIB_PATH) must have it: nothing else is tried then.
func Find(explicit string) (string, error) {
	if explicit != "" {
		return named(explicit, "the configured library")
	}
	if env := os.Getenv("CHDB_LIB_PATH"); env != "" {
		return named(env, "CHDB_LIB_PATH")
	}
	places := searchPlaces()
	for _, place := range places {
		if isFile(place) {
			return place, nil
		}
	}
	return "", fmt.Errorf("chdb: the ClickHouse engine (%s) was not found in %s; run deploy/chdb/fetch.sh (make test does), "+
		"or set CHDB_LIB_PATH to a libchdb %s", fileName(), strings.Join(places, ", "), PinnedVersion)
}

func named(path, what string) (string, error) {
	for _, file := range [...]string{path, filepath.Join(path, fileName()), filepath.Join(path, "libchdb.so")} {
		if isFile(file) {
			return file, nil
		}
	}
	return "", fmt.Errorf("chdb: %s: %s is neither a file nor a folder with %s; correct it, or leave it empty for the usual places",
		what, path, fileName())
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// fileName is the name of the library in the pinned packages, on macOS too.
func fileName() string { return "libchdb.so" }

func searchPlaces() []string {
	var places []string
	if dir, err := cacheDir(); err == nil {
		places = append(places, filepath.Join(dir, "chdb", PinnedVersion, fileName()))
	}
	if exe, err := os.Executable(); err == nil {
		dir := filepath.Dir(exe)
		places = append(places, filepath.Join(dir, fileName()), filepath.Join(filepath.Dir(dir), "lib", fileName()))
	}
	system := []string{"/usr/local/lib", "/usr/lib", "/usr/lib64", "/lib64"}
	switch {
	case runtime.GOOS == "linux" && runtime.GOARCH == "amd64":
		system = append(system, "/usr/lib/x86_64-linux-gnu")
	case runtime.GOOS == "linux" && runtime.GOARCH == "arm64":
		system = append(system, "/usr/lib/aarch64-linux-gnu")
	case runtime.GOOS == "darwin":
		system = []string{"/usr/local/lib", "/opt/homebrew/lib"}
	}
	for _, dir := range system {
		places = append(places, filepath.Join(dir, fileName()))
	}
	return places
}

// cacheDir is the folder that fetch.sh uses.
func cacheDir() (string, error) {
	if dir := os.Getenv("SLUICE_CACHE"); dir != "" {
		return dir, nil
	}
	if dir := os.Getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "sluice"), nil
	}
	home := os.Getenv("HOME")
	if home == "" {
		return "", errors.New("HOME is not set")
	}
	return filepath.Join(home, ".cache", "sluice"), nil
}
