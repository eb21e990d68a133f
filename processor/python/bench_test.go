package python_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/elasticcode/flow/processor"
)

func benchProcess(b *testing.B) processor.Process {
	b.Helper()
	program, err := prepare(b, "m", map[string]string{"m.py": "def noop(x):\n    return x\n\ndef say(x):\n    print(x)\n"})
	if err != nil {
		b.Fatal(err)
	}
	p, err := program.Start(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			b.Error(err)
		}
	})
	return p
}

// cpu is the processor time that a process has used, in steps of 10 ms.
func cpu(b *testing.B, pid string) time.Duration {
	b.Helper()
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return 0 // not Linux
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')'):]))
	user, _ := strconv.Atoi(fields[12])
	system, _ := strconv.Atoi(fields[13])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// BenchmarkCalls keeps so many calls in the pipe.
func BenchmarkCalls(b *testing.B) {
	for _, function := range []string{"noop", "say"} {
		for _, inFlight := range []int{1, 16, 128} {
			b.Run(fmt.Sprintf("%s/inflight=%d", function, inFlight), func(b *testing.B) {
				p := benchProcess(b)
				inv := processor.Invocation{ID: "01890000-0000-7000-8000-000000000000", Function: function,
					Args: []json.RawMessage{json.RawMessage(`"some data"`)}, Tracking: "01890000-0000-7000-8000-000000000001",
					Socket: "pyfi.processors.sample.do_this", Attempt: 1}
				batch := make([]processor.Invocation, 0, inFlight)
				b.ResetTimer()
				ours, childs := cpu(b, "self"), cpu(b, strconv.Itoa(p.PID()))
				sent, got := 0, 0
				for got < b.N {
					batch = batch[:0]
					for sent < b.N && sent-got < inFlight {
						batch = append(batch, inv)
						sent++
					}
					if len(batch) > 0 {
						if err := p.Send(batch...); err != nil {
							b.Fatal(err)
						}
					}
					r := <-p.Replies()
					got++
					if r.Failure != nil {
						b.Fatal(r.Failure)
					}
					for drained := false; !drained; {
						select {
						case <-p.Replies():
							got++
						default:
							drained = true
						}
					}
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
				// How long a call keeps a core busy, which other load on the machine does not change much.
				b.ReportMetric(float64((cpu(b, "self")-ours).Microseconds())/float64(b.N), "µs-engine/call")
				b.ReportMetric(float64((cpu(b, strconv.Itoa(p.PID()))-childs).Microseconds())/float64(b.N), "µs-child/call")
			})
		}
	}
}

// BenchmarkFirstResult is from a checkout to the first reply.
func BenchmarkFirstResult(b *testing.B) {
	for b.Loop() {
		program, err := prepare(b, "m", map[string]string{"m.py": "def noop(x):\n    return x\n"})
		if err != nil {
			b.Fatal(err)
		}
		p, err := program.Start(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if err := p.Send(processor.Invocation{ID: "1", Function: "noop", Args: []json.RawMessage{json.RawMessage("1")}}); err != nil {
			b.Fatal(err)
		}
		<-p.Replies()
		if err := p.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
