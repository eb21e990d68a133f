package amqp

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/rabbitmq/amqp091-go"
)

// The oldest RabbitMQ whose quorum queues let messages expire.
const (
	oldestMajor = 3
	oldestMinor = 10
)

// tooOld says that the broker lacks what the driver relies on.
type tooOld struct{ version string }

func (e *tooOld) Error() string {
	return fmt.Sprintf("RabbitMQ %s is too old: Flow needs %d.%d or later", e.version, oldestMajor, oldestMinor)
}

// checkVersion reads what the broker says of itself. Of other brokers, and of
// versions that cannot be read, it says nothing.
func checkVersion(said amqp091.Table) error {
	product, _ := said["product"].(string)
	version, _ := said["version"].(string)
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, err := strconv.Atoi(major)
	if err != nil || product != "RabbitMQ" {
		return nil
	}
	b, err := strconv.Atoi(minor)
	if err != nil || a > oldestMajor || a == oldestMajor && b >= oldestMinor {
		return nil
	}
	return &tooOld{version}
}
