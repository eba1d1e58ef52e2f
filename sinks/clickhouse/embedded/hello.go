package embedded

import (
	"github.com/ClickHouse/ch-go/proto"
)

// helloQuery is what clickhouse-go sends first on every HTTP connection. It
// decodes the answer at its own protocol revision, which the engine's Native
// format (always revision 0) does not speak, and reads every later block at the
// revision that the answer names. So this one query is answered here, in the
// driver's revision, naming revision 0.
const helloQuery = "SELECT displayName(), version(), revision(), timezone()"

// displayName is the server's name for clients.
const displayName = "sluice"

// helloBlock is the answer as a Native block of the client's revision.
func helloBlock(version, timezone string, revision int) ([]byte, error) {
	var name, ver, tz proto.ColStr
	var rev proto.ColUInt32
	name.Append(displayName)
	ver.Append(version)
	rev.Append(0)
	tz.Append(timezone)
	block := proto.Block{Info: proto.BlockInfo{BucketNum: -1}, Columns: 4, Rows: 1}
	var buf proto.Buffer
	err := block.EncodeBlock(&buf, revision, []proto.InputColumn{
		{Name: "displayName()", Data: &name},
		{Name: "version()", Data: &ver},
		{Name: "revision()", Data: &rev},
		{Name: "timezone()", Data: &tz},
	})
	return buf.Buf, err
}
