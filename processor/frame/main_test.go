package frame

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/elasticcode/flow/processor/procgroup"
)

// modeVariable makes the test binary a child, or an engine that has one.
const modeVariable = "FRAME_TEST_MODE"

func TestMain(m *testing.M) {
	switch mode := os.Getenv(modeVariable); mode {
	case "":
		goleak.VerifyTestMain(m)
	case "engine":
		engine()
	default:
		child(mode)
	}
}

func command(mode string) Command {
	return Command{
		Path: os.Args[0], Env: procgroup.Environment(modeVariable + "=" + mode), Module: "m",
		StartTimeout: 20 * time.Second, Logger: slog.New(slog.DiscardHandler),
	}
}

// engine starts a child, prints its process id, and lives until it is killed.
func engine() {
	p, err := Start(context.Background(), command("busy"))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	_ = p.Send(inv("1"))
	fmt.Println(p.PID())
	for range p.Replies() { // none comes
	}
}

// child is a runtime that misbehaves as the mode says.
func child(mode string) {
	in, out := os.NewFile(3, "in"), os.NewFile(4, "out")
	say := func(v any) {
		b, _ := json.Marshal(v)
		header := binary.BigEndian.AppendUint32(nil, uint32(len(b)))
		_, _ = out.Write(append(header, b...))
	}
	type object = map[string]any
	for {
		var header [4]byte
		if _, err := io.ReadFull(in, header[:]); err != nil {
			os.Exit(0)
		}
		body := make([]byte, binary.BigEndian.Uint32(header[:]))
		if _, err := io.ReadFull(in, body); err != nil {
			os.Exit(1)
		}
		var m struct{ Type, ID string }
		_ = json.Unmarshal(body, &m)
		if m.Type == "load" {
			switch mode {
			case "silent":
				continue
			case "old":
				say(object{"type": "ready", "protocol": 0})
			case "fails":
				say(object{"type": "failed", "code": "module", "message": "no such module", "detail": "trace"})
				os.Exit(1)
			case "exits":
				fmt.Println("goodbye")
				os.Exit(7)
			default:
				say(object{"type": "ready", "protocol": 1, "unknown": true})
			}
			continue
		}
		switch mode {
		case "garbage":
			_, _ = out.Write([]byte{0, 0, 0, 3, 'x', 'y', 'z'})
		case "wrong":
			say(object{"type": "reply", "id": "another"})
		case "twice":
			say(object{"type": "reply", "id": m.ID, "value": 1})
			say(object{"type": "reply", "id": m.ID, "value": 1})
		case "oversize":
			header := binary.BigEndian.AppendUint32(nil, maxFrame+1)
			_, _ = out.Write(append(header, make([]byte, maxFrame+1)...))
			mode = "good"
		case "closes":
			_ = out.Close()
			time.Sleep(time.Hour)
		case "busy":
			time.Sleep(time.Hour)
		case "prints":
			fmt.Printf("call %s\nand more", m.ID)
			say(object{"type": "log", "id": m.ID, "stream": "stderr", "text": "framed"})
			say(object{"type": "unknown"})
			say(object{"type": "reply", "id": m.ID})
		default:
			say(object{"type": "reply", "id": m.ID, "value": m.ID})
		}
	}
}
