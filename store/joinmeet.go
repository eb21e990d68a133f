package store

import (
	"encoding/json"
	"slices"

	"gorm.io/gorm"

	"github.com/elasticcode/flow/model"
)

// meeting is what the arrivals of a transaction brought about.
type meeting struct {
	sets [][]arrivalRow // each in the order of the arguments, without values
	// spent have met others or were replaced, and are only remembered from now on.
	spent []int64
	// kept have met others and stay (policy latest).
	kept []int64
	// replaced never met anybody and never will; they expire at once.
	replaced []int64
}

// light is what is read of arrivals to find out which ones meet: all but the
// values, which may be large and many.
var light = []string{"seq", "id", "network", "socket", "policy", "needs", "argument", "tracking", "parent", "origin", "priority", "created", "used"}

// openAt selects arrivals at the socket of a that may meet others, in order of arrival.
func openAt(tx *gorm.DB, a Arrival) *gorm.DB {
	return tx.Model(&arrivalRow{}).Select(light).
		Where("network = ? AND socket = ? AND settled IS NULL", a.Network, a.Socket).Order("seq")
}

// catchUp is how many sets more than there are new arrivals can become complete
// together: those that waited under another policy.
const catchUp = 32

// meetZip lets the k-th value of each argument meet.
func meetZip(tx *gorm.DB, a Arrival, arrived int) (meeting, error) {
	waiting := map[string][]arrivalRow{}
	for _, need := range a.Needs {
		var rows []arrivalRow
		if err := openAt(tx, a).Where("argument = ?", need).Limit(arrived + catchUp).Find(&rows).Error; err != nil {
			return meeting{}, err
		}
		if len(rows) == 0 {
			return meeting{}, nil
		}
		waiting[need] = rows
	}
	return meeting{}.zip(a.Needs, waiting), nil
}

// meetInRuns lets the k-th value of each argument meet within every run that
// something new arrived for.
func meetInRuns(tx *gorm.DB, a Arrival, arrived []arrivalRow) (meeting, error) {
	var runs []string
	for _, r := range arrived {
		if !slices.Contains(runs, r.Tracking) {
			runs = append(runs, r.Tracking)
		}
	}
	var rows []arrivalRow
	if err := openAt(tx, a).Where("tracking IN ?", runs).Find(&rows).Error; err != nil {
		return meeting{}, err
	}
	waiting := map[string]map[string][]arrivalRow{}
	for _, r := range rows {
		if waiting[r.Tracking] == nil {
			waiting[r.Tracking] = map[string][]arrivalRow{}
		}
		waiting[r.Tracking][r.Argument] = append(waiting[r.Tracking][r.Argument], r)
	}
	var m meeting
	for _, run := range runs {
		m = m.zip(a.Needs, waiting[run])
	}
	return m, nil
}

// zip adds the complete sets among what waits, by argument.
func (m meeting) zip(needs []string, waiting map[string][]arrivalRow) meeting {
	complete := len(waiting[needs[0]])
	for _, need := range needs {
		complete = min(complete, len(waiting[need]))
	}
	for k := range complete {
		set := make([]arrivalRow, len(needs))
		for i, need := range needs {
			set[i] = waiting[need][k]
			m.spent = append(m.spent, set[i].Seq)
		}
		m.sets = append(m.sets, set)
	}
	return m
}

// meetLatest lets each new value meet the newest of the other arguments.
func meetLatest(tx *gorm.DB, a Arrival, arrived []arrivalRow) (meeting, error) {
	var rows []arrivalRow
	if err := openAt(tx, a).Find(&rows).Error; err != nil {
		return meeting{}, err
	}
	var (
		m      meeting
		newest = map[string]arrivalRow{}
		first  = arrived[0].Seq
	)
	for _, r := range rows { // those from before come first
		if old, ok := newest[r.Argument]; ok {
			m.replace(old)
		}
		newest[r.Argument] = r
		if r.Seq < first || !slices.Contains(a.Needs, r.Argument) {
			continue
		}
		set := make([]arrivalRow, 0, len(a.Needs))
		for _, need := range a.Needs {
			if other, ok := newest[need]; ok {
				set = append(set, other)
			}
		}
		if len(set) < len(a.Needs) {
			continue
		}
		m.sets = append(m.sets, set)
		for _, member := range set {
			member.Used = true
			newest[member.Argument] = member
		}
	}
	for _, r := range newest {
		if r.Used {
			m.kept = append(m.kept, r.Seq)
		}
	}
	return m, nil
}

// replace says that a newer value took the place of r.
func (m *meeting) replace(r arrivalRow) {
	if r.Used {
		m.spent = append(m.spent, r.Seq)
	} else {
		m.replaced = append(m.replaced, r.Seq)
	}
}

// fire writes what the meeting brought about, with the outbox.
func fire(tx *gorm.DB, a Arrival, m meeting) ([]Fired, error) {
	fired := make([]Fired, 0, len(m.sets))
	values, err := valuesOf(tx, m.sets)
	if err != nil {
		return nil, err
	}
	var refs []model.Ref
	rows := make([]firedRow, 0, len(m.sets))
	for _, set := range m.sets {
		f, err := newFired(a, set, values)
		if err != nil {
			return nil, err
		}
		fired, refs = append(fired, f), append(refs, f.Refs...)
		rows = append(rows, firedRow{
			ID: f.ID, Network: f.Network, Socket: f.Socket, Tracking: f.Tracking, Origin: f.Origin, Priority: string(f.Priority),
			Values: encode(f.Values), Refs: encodeList(f.Refs), Arrivals: encodeList(f.Arrivals), Parents: encodeList(f.Parents), Created: stamp(f.Created),
		})
	}
	if len(rows) > 0 {
		if err := tx.CreateInBatches(&rows, 200).Error; err != nil {
			return nil, err
		}
	}
	if err := touch(tx, refs); err != nil { // until the record of the call is there
		return nil, err
	}
	t := stamp(now())
	for _, change := range []struct {
		seqs    []int64
		columns map[string]any
	}{
		{m.spent, map[string]any{"settled": t, "value": nil, "refs": nil}},
		{m.kept, map[string]any{"used": true}},
		{m.replaced, map[string]any{"settled": t}},
	} {
		for part := range slices.Chunk(change.seqs, 1000) {
			if err := tx.Model(&arrivalRow{}).Where("seq IN ?", part).UpdateColumns(change.columns).Error; err != nil {
				return nil, err
			}
		}
	}
	return fired, nil
}

// valuesOf reads the values of the sets' members and their references, by seq.
func valuesOf(tx *gorm.DB, sets [][]arrivalRow) (map[int64]arrivalRow, error) {
	var seqs []int64
	for _, set := range sets {
		for _, r := range set {
			seqs = append(seqs, r.Seq)
		}
	}
	slices.Sort(seqs)
	out := make(map[int64]arrivalRow, len(seqs))
	for part := range slices.Chunk(slices.Compact(seqs), 1000) {
		var rows []arrivalRow
		if err := tx.Select("seq", "value", "refs").Where("seq IN ?", part).Find(&rows).Error; err != nil {
			return nil, err
		}
		for _, r := range rows {
			out[r.Seq] = r
		}
	}
	return out, nil
}

func newFired(a Arrival, set []arrivalRow, values map[int64]arrivalRow) (Fired, error) {
	f := Fired{
		Network: a.Network, Socket: a.Socket, Tracking: set[0].Tracking, Origin: set[0].Origin,
		Values: make(map[string]json.RawMessage, len(set)), Created: now(),
	}
	f.Priority = priorityOf(set)
	for _, r := range set {
		f.Values[r.Argument] = json.RawMessage(values[r.Seq].Value)
		var refs []model.Ref
		if err := decode(values[r.Seq].Refs, &refs); err != nil {
			return f, err
		}
		f.Refs = append(f.Refs, model.Rebase(refs, "", model.Pointer(r.Argument))...)
		f.Arrivals = append(f.Arrivals, r.ID)
		parent := first(r.Parent, r.ID)
		if !slices.Contains(f.Parents, parent) {
			f.Parents = append(f.Parents, parent)
		}
	}
	f.ID = model.DescendID(f.Arrivals[0], append([]string{a.Socket}, f.Arrivals[1:]...)...)
	return f, nil
}

// priorityOf is the highest priority of what met. A value that has met others
// before, and stays for more to come (policy latest), asks for nothing any more.
func priorityOf(set []arrivalRow) model.Priority {
	out := model.Low
	for _, r := range set {
		if !r.Used {
			out = model.Higher(out, model.Priority(r.Priority))
		}
	}
	return out.Brief()
}
