package embedded

import (
	"encoding/xml"
	"path/filepath"
	"strconv"
	"strings"
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
