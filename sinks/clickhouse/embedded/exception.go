package embedded

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/sluicehq/sluice/internal/chdb"
)

// ClickHouse's error codes that this package gives itself
// (src/Common/ErrorCodes.cpp).
const (
	codeBadArguments      = 36
	codeNotImplemented    = 48
	codeSyntaxError       = 62
	codeCannotDecompress  = 271
	codeUnknownCompressor = 89
	codeIncorrectData     = 117
	codeTimeout           = 159
	codeReadonly          = 164
	codeQueryTooLarge     = 229
	codeTooManyQueries    = 202
	codeReceiveFailed     = 210
	codeMemoryLimit       = 241
	codeSessionNotFound   = 372
	codeSessionLocked     = 373
	codeQueryCancelled    = 394
	codeAuthFailed        = 516
	codeInternal          = 1002
)

// exception is an error as ClickHouse shows it to a client.
type exception struct {
	code int
	text string // with "Code: N. DB::Exception: " in front
}

func (e *exception) Error() string { return e.text }

// exceptionf builds an exception of our own. name is the code's symbolic name.
func exceptionf(code int, name, format string, args ...any) *exception {
	return &exception{
		code: code,
		text: fmt.Sprintf("Code: %d. DB::Exception: %s. (%s)", code, fmt.Sprintf(format, args...), name),
	}
}

// asException turns any error into one that a client can be shown.
func asException(err error) *exception {
	var own *exception
	if errors.As(err, &own) {
		return own
	}
	var engine *chdb.Error
	if errors.As(err, &engine) {
		if engine.Code > 0 {
			return &exception{code: engine.Code, text: engine.Text}
		}
		return exceptionf(codeInternal, "UNKNOWN_EXCEPTION", "%s", strings.TrimSuffix(engine.Text, "."))
	}
	return exceptionf(codeInternal, "UNKNOWN_EXCEPTION", "%v", err)
}

// httpStatus is the status that ClickHouse answers an error code with
// (src/Server/HTTP/exceptionCodeToHTTPStatus.cpp).
func httpStatus(code int) int {
	switch code {
	case 194: // REQUIRED_PASSWORD
		return http.StatusUnauthorized
	case 192, 193, 497, 512, codeAuthFailed: // UNKNOWN_USER, WRONG_PASSWORD, ACCESS_DENIED, SET_NON_GRANTED_ROLE
		return http.StatusForbidden
	case codeBadArguments, 6, 25, 26, 27, 38, 41, 72, 376, 427, 441, 675, 676, // CANNOT_PARSE_..., CANNOT_COMPILE_REGEXP
		8, 15, 44, // THERE_IS_NO_COLUMN, DUPLICATE_COLUMN, ILLEGAL_COLUMN
		167, 168, 223, // TOO_DEEP_AST, TOO_BIG_AST, UNEXPECTED_AST_STRUCTURE
		53, codeSyntaxError, codeIncorrectData, 321: // TYPE_MISMATCH, VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
		return http.StatusBadRequest
	case 46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 336, 511: // UNKNOWN_...
		return http.StatusNotFound
	case codeQueryTooLarge:
		return http.StatusRequestEntityTooLarge
	case codeNotImplemented:
		return http.StatusNotImplemented
	case 76, 209, 439: // CANNOT_OPEN_FILE, SOCKET_TIMEOUT, CANNOT_SCHEDULE_TASK
		return http.StatusServiceUnavailable
	case codeTimeout:
		return http.StatusRequestTimeout
	}
	return http.StatusInternalServerError
}
