package worker

import "time"

// A process that dies while it runs a call is started again at once, for the calls
// of all other sockets. Those of the socket whose call it ran are left in their
// queues for a while, which grows as long as no call of it is answered: calls that
// kill every process hold up their own kind only, and end by their own budget.

// illness is what a worker knows of a socket whose calls its processes die of.
type illness struct {
	delay backoff
	wait  time.Duration // from the start of the next process on
	last  time.Time     // when a process died of it
}

// crashPause is for how long calls are left alone at most, and how long one that
// killed a process is remembered.
const crashPause = 5 * time.Second

// blame notes that a process died while it ran a call of the socket.
func (w *Worker) blame(socket string) {
	ill := w.ill[socket]
	if ill == nil || time.Since(ill.last) > ill.wait+crashPause {
		ill = &illness{delay: backoff{base: 200 * time.Millisecond, top: crashPause}}
		w.ill[socket] = ill
	}
	ill.wait, ill.last = ill.delay.next(), time.Now()
	w.log.Debug("its calls are left in their queues", "socket", socket, "for", ill.wait)
}

// isolate shuts the doors of sockets that processes died of. It comes before the
// session takes any call.
func (s *session) isolate() {
	now := time.Now()
	for name, ill := range s.w.ill {
		if now.Sub(ill.last) > ill.wait+crashPause {
			delete(s.w.ill, name)
			continue
		}
		o := newDoor()
		o.ill, o.paused, o.until = true, true, now.Add(ill.wait)
		s.doors.open[name] = o
		s.doors.ill++
		s.receiver.Pause(name)
	}
}

// unpause lets calls through a door again.
func (s *session) unpause(name string, o *door) {
	if o.ill {
		o.ill = false
		s.doors.ill--
	}
	o.paused = false
	s.receiver.Resume(name)
}
