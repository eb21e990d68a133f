package worker

import "time"

// line is the calls that wait for the process: those of a higher class before
// those of a lower one, and in one class in the order they came.
//
// One start in turnOf is for the call of a lower class that was made first, so
// that none waits for ever, however many of a higher class there are.
type line struct {
	classes  [3][]*job // by rank, the highest first
	overtook int       // starts since the last one that was given to a lower class
}

// turnOf is how many starts there are to one of a lower class that waits.
const turnOf = 16

// join puts calls at the end of their classes.
func (l *line) join(jobs []*job) {
	for _, j := range jobs {
		rank := j.Envelope.Priority.Rank()
		l.classes[rank] = append(l.classes[rank], j)
	}
}

// size is how many calls wait.
func (l *line) size() int {
	n := 0
	for _, class := range l.classes {
		n += len(class)
	}
	return n
}

// next takes the call out of the line that is to be started next. Somebody waits.
func (l *line) next() *job {
	rank := l.choose()
	j := l.classes[rank][0]
	l.classes[rank] = l.classes[rank][1:]
	return j
}

// choose returns the class whose turn it is. Somebody waits.
func (l *line) choose() int {
	top := 0
	for len(l.classes[top]) == 0 {
		top++
	}
	lower := -1 // with the call that was made first
	for rank := top + 1; rank < len(l.classes); rank++ {
		if len(l.classes[rank]) > 0 && (lower < 0 || made(l.classes[rank]).Before(made(l.classes[lower]))) {
			lower = rank
		}
	}
	if lower < 0 {
		return top
	}
	if l.overtook++; l.overtook < turnOf {
		return top
	}
	l.overtook = 0
	return lower
}

func made(class []*job) time.Time { return class[0].Envelope.Created }

// trim takes those calls out that are not to be kept, asking for each in the
// order of the line, the highest class first.
func (l *line) trim(keep func(*job) bool) (out []*job) {
	for rank, class := range l.classes {
		kept := class[:0]
		for _, j := range class {
			if keep(j) {
				kept = append(kept, j)
			} else {
				out = append(out, j)
			}
		}
		clear(class[len(kept):])
		l.classes[rank] = kept
	}
	return out
}

// clear takes all calls out, the highest class first.
func (l *line) clear() []*job {
	var out []*job
	for rank := range l.classes {
		out = append(out, l.classes[rank]...)
		l.classes[rank] = nil
	}
	return out
}
