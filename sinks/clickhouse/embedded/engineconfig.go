package embedded

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// engineConfig is the engine's own configuration file. It is given explicitly
// so that no ~/.clickhouse-local or config.xml of the working directory is
// picked up instead.
func engineConfig(o *EngineOptions) []byte {
	var b strings.Builder
	element := func(name, value string) {
		b.WriteString("  <" + name + ">")
		_ = xml.EscapeText(&b, []byte(value)) // a strings.Builder does not fail
		b.WriteString("</" + name + ">\n")
	}
	b.WriteString("<!-- Written by sluice at every start. -->\n<clickhouse>\n")
	if o.BackgroundPoolSize > 0 {
		element("background_pool_size", strconv.Itoa(o.BackgroundPoolSize))
	}
	if o.MaxMemory > 0 {
		element("max_server_memory_usage", strconv.FormatInt(o.MaxMemory, 10))
	}
	// Without a default_database the engine does not lay its file system over the
	// database "default", where every file of the machine would be a table. The
	// database itself comes from the metadata: see ensureDefaultDatabase.
	element("default_database", "")
	element("database", "default")
	element("tmp_path", filepath.Join(o.Path, "tmp")+"/")
	element("user_files_path", filepath.Join(o.Path, "user_files")+"/")
	element("format_schema_path", filepath.Join(o.Path, "format_schemas")+"/")
	b.WriteString("  <backups>\n  ")
	element("allowed_path", filepath.Join(o.Path, "backups")+"/")
	b.WriteString("  </backups>\n")
	if o.Fsync {
		b.WriteString("  <merge_tree>\n  ")
		element("fsync_after_insert", "1")
		b.WriteString("  ")
		element("fsync_part_directory", "1")
		b.WriteString("  </merge_tree>\n")
	}
	b.WriteString("</clickhouse>\n")
	return []byte(b.String())
}

// ensureDefaultDatabase gives a data folder the metadata of an Atomic database
// "default", as CREATE DATABASE would. A folder that the engine made by itself
// has the database without this file; its tables are under the id that the
// folder's link names.
func ensureDefaultDatabase(path string) error {
	dir := filepath.Join(path, "metadata")
	file := filepath.Join(dir, "default.sql")
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("embedded ClickHouse: %w", err)
	}
	id := uuid.New()
	if target, err := os.Readlink(filepath.Join(dir, "default")); err == nil {
		if id, err = uuid.Parse(filepath.Base(target)); err != nil {
			return fmt.Errorf("embedded ClickHouse: %s links to %s, whose name is no id; the data folder is damaged",
				filepath.Join(dir, "default"), target)
		}
	}
	return writeFile(file, []byte("ATTACH DATABASE _ UUID '"+id.String()+"'\nENGINE = Atomic\n"))
}
