package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/elasticcode/flow/broker"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Error codes of JetStream that the client library does not name.
const (
	codeNoResources     jetstream.ErrorCode = 10023
	codeStorageExceeded jetstream.ErrorCode = 10047
	codeMemoryExceeded  jetstream.ErrorCode = 10028
	codeTooLarge        jetstream.ErrorCode = 10054
	codeStoreFailed     jetstream.ErrorCode = 10077
	codeBytesExceeded   jetstream.ErrorCode = 10122
)

// failure translates an error of the client library into the contract's.
func failure(err error) error {
	var api *jetstream.APIError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return err
	case missing(err):
		return fmt.Errorf("%w (%w)", broker.ErrNotFound, err)
	case errors.As(err, &api):
		switch api.ErrorCode {
		case codeNoResources, codeStorageExceeded, codeMemoryExceeded:
			return fmt.Errorf("%w: %s", broker.ErrBlocked, api.Description)
		}
		return err
	case lost(err):
		return unavailable(err)
	}
	return err
}

func unavailable(err error) error { return fmt.Errorf("%w: %w", broker.ErrUnavailable, err) }

// missing tells whether the stream or consumer is not there.
func missing(err error) bool {
	return errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, broker.ErrNotFound)
}

// lost tells whether the server could not be asked, or did not answer.
func lost(err error) bool {
	for _, e := range []error{
		context.DeadlineExceeded, nats.ErrTimeout, nats.ErrNoResponders, nats.ErrConnectionClosed, nats.ErrConnectionReconnecting,
		nats.ErrDisconnected, nats.ErrReconnectBufExceeded, nats.ErrNoServers, nats.ErrStaleConnection, errSessionEnded,
		jetstream.ErrJetStreamNotEnabled, jetstream.ErrNoStreamResponse,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// refusal translates what a stream answered to a publish; again says that the
// same may succeed in a moment.
func refusal(code jetstream.ErrorCode, description string) (err error, again bool) {
	switch {
	case strings.HasPrefix(description, "maximum messages"), strings.HasPrefix(description, "maximum bytes"), code == codeBytesExceeded:
		return fmt.Errorf("%w (%s)", broker.ErrFull, description), false
	case code == codeTooLarge, strings.HasPrefix(description, "message size exceeds"):
		return fmt.Errorf("%w (%s)", broker.ErrTooLarge, description), false
	case code == codeNoResources, code == codeStorageExceeded, code == codeMemoryExceeded, code == codeStoreFailed:
		return fmt.Errorf("%w: %s", broker.ErrBlocked, description), true
	}
	return fmt.Errorf("%w: the stream answered: %s", broker.ErrUnavailable, description), true
}
