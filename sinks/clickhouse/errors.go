package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/sluicehq/sluice/pipeline"
)

// retryableCode tells of a server's error code whether the same insert may go
// through later. The list is that of clickhouse-kafka-connect, and those that
// a server gives while it stops or its disk is full: an operator ends these,
// and the pipeline goes on by itself.
func retryableCode(code int32) bool {
	switch code {
	case 3, // UNEXPECTED_END_OF_FILE
		107, // FILE_DOESNT_EXIST
		159, // TIMEOUT_EXCEEDED
		164, // READONLY
		202, // TOO_MANY_SIMULTANEOUS_QUERIES
		203, // NO_FREE_CONNECTION
		209, // SOCKET_TIMEOUT
		210, // NETWORK_ERROR
		225, // NO_ZOOKEEPER
		236, // ABORTED
		241, // MEMORY_LIMIT_EXCEEDED
		242, // TABLE_IS_READ_ONLY
		243, // NOT_ENOUGH_SPACE
		252, // TOO_MANY_PARTS
		285, // TOO_FEW_LIVE_REPLICAS
		319, // UNKNOWN_STATUS_OF_INSERT
		394, // QUERY_WAS_CANCELLED
		425, // SYSTEM_ERROR
		439, // CANNOT_SCHEDULE_TASK
		999: // KEEPER_EXCEPTION
		return true
	}
	return false
}

// Codes that Open looks at.
const (
	codeUnknownDatabase      = 81
	codeAccessDenied         = 497
	codeUnknownUser          = 192
	codeWrongPassword        = 193
	codeRequiredPassword     = 194
	codeAuthenticationFailed = 516
)

// serverCode returns the code of the server's exception in err.
func serverCode(err error) (int32, bool) {
	var ex *clickhouse.Exception
	if errors.As(err, &ex) {
		return ex.Code, true
	}
	return 0, false
}

// classify marks err as retryable where a later try may succeed. A call whose
// context has ended returns the context's error: the outcome of an insert is
// then unknown, and the engine writes the key again after a restart.
func classify(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w (the outcome of the insert is unknown: %w)", ctx.Err(), withoutMark{err})
	}
	if passing(err) {
		return pipeline.Retryable(err)
	}
	return err
}

// withoutMark prints an error without being one of its kind.
type withoutMark struct{ err error }

func (e withoutMark) Error() string { return e.err.Error() }

// passing reports whether err comes from a fault that may pass.
func passing(err error) bool {
	if code, ok := serverCode(err); ok {
		return retryableCode(code)
	}
	var status *clickhouse.HTTPError
	if errors.As(err, &status) {
		switch status.StatusCode {
		case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusBadGateway,
			http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return false
	}
	return networkFault(err)
}

// networkFault reports whether err says that the other side cannot be reached,
// or went away.
func networkFault(err error) bool {
	for _, target := range []error{
		io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed, context.DeadlineExceeded,
		clickhouse.ErrAcquireConnTimeout, clickhouse.ErrConnectionClosed,
		syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE, syscall.ETIMEDOUT,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	var network net.Error
	return errors.As(err, &network)
}

// redact hides secret in the text of err. Its kind stays as it is.
func redact(err error, secret string) error {
	if err == nil || secret == "" || !strings.Contains(err.Error(), secret) {
		return err
	}
	return &redacted{text: strings.ReplaceAll(err.Error(), secret, "[secret]"), err: err}
}

type redacted struct {
	text string
	err  error
}

func (e *redacted) Error() string { return e.text }

// Is and As look at the error that was redacted; there is no Unwrap, so that
// no printer that walks the chain shows it.
func (e *redacted) Is(target error) bool { return errors.Is(e.err, target) }
func (e *redacted) As(target any) bool   { return errors.As(e.err, target) }
