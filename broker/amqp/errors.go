package amqp

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/elasticcode/flow/broker"
	"github.com/rabbitmq/amqp091-go"
)

var errClosed = broker.ErrClosed

// unavailable makes the error of a call that waited for the broker in vain.
func unavailable(ctx context.Context, why error) error {
	if errors.Is(why, broker.ErrClosed) {
		return why
	}
	if why == nil {
		why = errors.New("no answer in time")
	}
	if _, old := errors.AsType[*tooOld](why); old {
		return why
	}
	if hopeless(why) {
		return fmt.Errorf("%w: %w: %w", broker.ErrUnavailable, broker.ErrRefused, why)
	}
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("%w: %w (%w)", broker.ErrUnavailable, why, err)
	}
	return fmt.Errorf("%w: %w", broker.ErrUnavailable, why)
}

// code returns the reply code of an error the broker sent, or 0.
func code(err error) int {
	var e *amqp091.Error
	if errors.As(err, &e) && e.Server {
		return e.Code
	}
	return 0
}

// classify turns what the broker said about a thing ("queue q") into an error of
// the contract.
func classify(err error, thing string) error {
	switch code(err) {
	case amqp091.NotFound:
		if strings.Contains(err.Error(), "down or inaccessible") { // it exists, its node is away
			return fmt.Errorf("%s: %w: %w", thing, broker.ErrUnavailable, err)
		}
		return fmt.Errorf("%s: %w", thing, broker.ErrNotFound)
	case amqp091.PreconditionFailed:
		return fmt.Errorf("%s %w: %w", thing, broker.ErrMismatch, err)
	case amqp091.AccessRefused:
		return fmt.Errorf("%s: the broker's permissions do not allow this user to use it: %w", thing, err)
	case 0: // not the broker's word: the connection is gone
		return fmt.Errorf("%s: %w: %w", thing, broker.ErrUnavailable, err)
	}
	return fmt.Errorf("%s: %w", thing, err)
}

var (
	namesExchange = regexp.MustCompile(`exchange '([^']*)'`)
	namesSize     = regexp.MustCompile(`larger than (?:configured )?max size (\d+)`)
)

// blame tells whether an error that closed the publishing channel was about this
// message, and returns the error for it; nil if it was about another one.
func blame(cause error, exchange string, size int) error {
	text := ""
	if cause != nil {
		text = cause.Error()
	}
	switch code(cause) {
	case amqp091.NotFound, amqp091.AccessRefused:
		m := namesExchange.FindStringSubmatch(text)
		if m == nil || m[1] != exchange {
			return nil
		}
		if code(cause) == amqp091.NotFound {
			return fmt.Errorf("exchange does not exist: %w", broker.ErrUnroutable)
		}
		return fmt.Errorf("the broker's permissions do not allow this user to publish there: %w", cause)
	case amqp091.PreconditionFailed:
		if m := namesSize.FindStringSubmatch(text); m != nil {
			if most, err := strconv.Atoi(m[1]); err == nil && size > most {
				return fmt.Errorf("%w: %d bytes, the broker allows %d", broker.ErrTooLarge, size, most)
			}
		}
	}
	return nil
}
