package kafka

import (
	"bytes"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"
)

// EncodeArrow returns the Arrow IPC stream of one record, as messages hold it.
func EncodeArrow(rec arrow.Record) ([]byte, error) {
	var b bytes.Buffer
	w := ipc.NewWriter(&b, ipc.WithSchema(rec.Schema()))
	err := w.Write(rec)
	if e := w.Close(); err == nil {
		err = e
	}
	return b.Bytes(), err
}
