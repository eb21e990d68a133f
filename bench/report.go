package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// row is one figure, as results.json has it.
type row struct {
	Name   string             `json:"name"`
	Unit   string             `json:"unit"`
	Median float64            `json:"median"`
	Min    float64            `json:"min"`
	Max    float64            `json:"max"`
	Versus map[string]float64 `json:"versus"`
	// CPU is the processor time of each call in µs, in all processes.
	CPU  float64 `json:"cpu_us,omitempty"`
	Note string  `json:"note,omitempty"`
}

// series is what was measured of one name.
type series struct {
	name, unit, note string
	base             string // of a growth: the series it is compared with
	values           []float64
	cpu              []cost
}

type report struct{ all []*series }

func newReport() *report { return &report{} }

// notes say what a row is, where the name does not.
var notes = map[string]string{
	"raw_amqp":       "publish confirmed, consume, ack: what RabbitMQ alone can do",
	"flow_services":  "API, two Python workers, RabbitMQ + Redis + PostgreSQL",
	"flow_embedded":  "the same, all services inside the process",
	"flow_shell":     "as flow_embedded, with a shell script: each call starts a process",
	"celery":         "prefork 2, RabbitMQ, Redis; no confirms, acks early; tuned for many short tasks",
	"celery_plain":   "the same as Celery's first steps have it: prefetch of 4, a client that can wait for results",
	"river":          "same PostgreSQL; runs in this process; settings of River's own benchmark",
	"latency_p50":    "one call through the API, machine idle",
	"latency_p99":    "one call through the API, machine idle",
	"latency_half":   "the same while half of what flow_services can do flows, p50",
	"latency_half99": "the same while half of what flow_services can do flows, p99",
	"chain_step_p50": "40 sockets in a row: from one function's start to the next one's",
	"cli_p50":        "flow task run as a whole process",
	"fanin_1000":     "2,000 arguments submitted one by one make 1,000 joined calls, all on record",
	"idle_cpu":       "flow up on services with two workers and 41 sockets: share of one core",

	"idle_cpu_1000_sockets":         "embedded flow up with two workers and 1,000 sockets: share of one core",
	"growth_queued":                 "a backlog worked off, on services",
	"growth_queued_memory":          "memory of the flow process, from the first call queued to the last one done",
	"growth_queued_submit":          "accepted with no worker running",
	"growth_queued_embedded":        "a tenth of that backlog, embedded",
	"growth_queued_embedded_memory": "memory of the flow process, broker and database inside",
	"growth_queued_embedded_submit": "accepted with no worker running",
	"growth_records":                "with that many calls in PostgreSQL's history",
	"growth_records_list":           "the newest 50 calls of a socket that has one in 78 of all",
	"growth_records_list_busy":      "the newest 50 calls of the socket that has half of all",
}

func (r *report) of(name, unit string) *series {
	for _, s := range r.all {
		if s.name == name {
			return s
		}
	}
	s := &series{name: name, unit: unit, note: noted(name)}
	r.all = append(r.all, s)
	return s
}

func (r *report) rate(name string, perSecond float64, cpu cost) {
	s := r.of(name, "calls/s")
	s.values, s.cpu = append(s.values, perSecond), append(s.cpu, cpu)
}

// grown adds a figure that is compared with the base, which may be itself.
func (r *report) grown(name, base, unit string, value float64, cpu ...cost) {
	s := r.of(name, unit)
	s.base, s.values, s.cpu = base, append(s.values, value), append(s.cpu, cpu...)
}

func (r *report) add(name, unit string, values ...float64) {
	s := r.of(name, unit)
	s.values = append(s.values, values...)
}

func (r *report) missing(name string, err error) {
	why, _, _ := strings.Cut(err.Error(), "\n") // a line of the table
	r.of(name, "calls/s").note = "not available: " + why
}

// rows makes the figures; ratios of rates are taken within each round, those of
// growth of the medians.
func (r *report) rows() []row {
	out := make([]row, 0, len(r.all))
	for _, s := range r.all {
		w := row{Name: s.name, Unit: s.unit, Note: s.note, Versus: map[string]float64{}}
		if len(s.values) > 0 {
			w.Median, w.Min, w.Max = round(median(s.values)), round(slices.Min(s.values)), round(slices.Max(s.values))
		}
		var cpu []float64
		for _, c := range s.cpu {
			cpu = append(cpu, c.sum())
		}
		if len(cpu) > 0 {
			w.CPU = round(median(cpu))
		}
		for _, o := range r.all {
			if o.name == s.base && s != o && len(o.values) > 0 && len(s.values) > 0 {
				w.Versus[o.name] = round(median(s.values) / median(o.values))
			}
			if o == s || s.base+o.base != "" || len(s.cpu) == 0 || len(o.cpu) != len(s.cpu) {
				continue
			}
			ratios := make([]float64, len(s.values))
			for i := range ratios {
				ratios[i] = s.values[i] / o.values[i]
			}
			w.Versus[o.name] = round(median(ratios))
		}
		out = append(out, w)
	}
	return out
}

func (r *report) print(to io.Writer) {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nNAME\tMEDIAN\tMIN\tMAX\tUNIT\tCPU µs/call\tVS raw_amqp\tVS celery\tVS river\tWHAT")
	for _, x := range r.rows() {
		if x.Median == 0 && len(x.Versus) == 0 {
			fmt.Fprintf(w, "%s\t-\t-\t-\t\t\t\t\t\t%s\n", x.Name, x.Note)
			continue
		}
		for base, v := range x.Versus {
			if strings.HasPrefix(base, "growth_") {
				x.Note = fmt.Sprintf("%.2f of %s; %s", v, base, x.Note)
			}
		}
		cpu := ""
		if x.CPU > 0 {
			cpu = fmt.Sprintf("%.0f", x.CPU)
		}
		fmt.Fprintf(w, "%s\t%g\t%g\t%g\t%s\t%s\t%s\t%s\t%s\t%s\n", x.Name, x.Median, x.Min, x.Max, x.Unit, cpu,
			ratio(x, "raw_amqp"), ratio(x, "celery"), ratio(x, "river"), x.Note)
	}
	_ = w.Flush()
}

func ratio(x row, other string) string {
	if v, ok := x.Versus[other]; ok {
		return fmt.Sprintf("%.2f", v)
	}
	return ""
}

func (r *report) write(path string) error {
	data, err := json.MarshalIndent(r.rows(), "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

func median(v []float64) float64 { return quantile(v, 0.5) }

// quantile returns the value that the share q of all values does not exceed.
func quantile(v []float64, q float64) float64 {
	s := slices.Sorted(slices.Values(v))
	if q == 0.5 && len(s)%2 == 0 {
		return (s[len(s)/2-1] + s[len(s)/2]) / 2
	}
	return s[min(int(q*float64(len(s))), len(s)-1)]
}

// round keeps four digits: the others are noise.
func round(v float64) float64 {
	if v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return 0
	}
	scale := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}
