package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// cost is processor time in µs by who used it. Services are shared with
// whatever else uses them on this machine.
type cost map[string]float64

// ticks is how many clock ticks of /proc make a second on Linux.
const ticks = 100

func (c cost) sum() float64 {
	var s float64
	for _, v := range c {
		s += v
	}
	return s
}

// String lists who used how much, in a fixed order.
func (c cost) String() string {
	var out []string
	for _, who := range []string{"own", "bench", "rabbitmq", "postgres", "redis"} {
		if v := c[who]; v >= 1 {
			out = append(out, fmt.Sprintf("%s %.0f", who, v))
		}
	}
	return strings.Join(out, ", ")
}

// since returns what was used after before, for each of n calls.
func (c cost) since(before cost, n int) cost {
	out := cost{}
	for who, v := range c {
		out[who] = (v - before[who]) / float64(n)
	}
	return out
}

// process is what /proc/PID/stat says.
type process struct {
	name   string
	parent int
	micros float64
	ended  float64 // what its children used that have ended
}

// used sums up the processor time of the services, of this process, and of the
// processes given with all that they started.
func used(own []int) cost {
	all := processes()
	mine := map[int]bool{}
	for _, p := range own {
		mine[p] = true
	}
	for grown := true; grown; {
		grown = false
		for pid, p := range all {
			if mine[p.parent] && !mine[pid] {
				mine[pid], grown = true, true
			}
		}
	}
	out := cost{}
	for pid, p := range all {
		switch {
		case mine[pid]:
			out["own"] += p.micros + p.ended
		case pid == os.Getpid():
			out["bench"] += p.micros
		case p.name == "beam.smp":
			out["rabbitmq"] += p.micros + p.ended
		case p.name == "redis-server":
			out["redis"] += p.micros
		case strings.HasPrefix(p.name, "postgres"):
			out["postgres"] += p.micros + p.ended // a process for each connection
		}
	}
	return out
}

func processes() map[int]process {
	out := map[int]process{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if p, ok := stat(pid); ok {
			out[pid] = p
		}
	}
	return out
}

func stat(pid int) (process, bool) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	open, end := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
	if err != nil || open < 0 || end < open {
		return process{}, false
	}
	f := strings.Fields(string(data[end+1:]))
	if len(f) < 15 {
		return process{}, false
	}
	parent, _ := strconv.Atoi(f[1])
	var micros [4]float64 // user, system, and both of the children that have ended
	for i := range micros {
		n, _ := strconv.ParseFloat(f[11+i], 64)
		micros[i] = n * 1e6 / ticks
	}
	return process{name: string(data[open+1 : end]), parent: parent, micros: micros[0] + micros[1], ended: micros[2] + micros[3]}, true
}
