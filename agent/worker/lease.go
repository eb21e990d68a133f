package worker

import (
	"context"
	"errors"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
)

// A claim lasts for a lease, and is renewed while the call is here. It ends all the same
// when the result store is away for long, or when this machine sleeps or is cut off;
// the broker may give the call to another worker then. So no call begins on a claim
// that may have ended, and the next renewal tells which calls others have: those are
// theirs. What is in the pipe of the process already, 20 ms of work, cannot be taken back.

// errLost says that the process was ended to end a call that is another worker's.
var errLost = errors.New("a call that another worker has was ended with its process")

// taken are the calls that others have, though this session holds them.
type taken map[string]result.Claim

// entitled tells whether the claims of all calls that wait here last: each was made or
// renewed less than a lease ago. If not, they are renewed at once. Two clocks are asked,
// as the one that nobody sets stands still while a machine sleeps.
func (h *host) entitled() bool {
	now, lease := time.Now(), h.s.w.cfg.Lease
	if now.Sub(h.renewed) < lease && now.Round(0).Sub(h.renewed.Round(0)) < lease {
		return true
	}
	if !h.hurried {
		h.hurried = true
		h.renewal.Reset(time.Millisecond)
	}
	return false
}

// renew keeps the claims of everything this session holds.
func (h *host) renew() {
	lease, asked := h.s.w.cfg.Lease, time.Now()
	ctx, cancel := h.s.within(lease / 3)
	defer cancel()
	others, some, err := h.s.renewClaims(ctx)
	if err != nil {
		if asked.Sub(h.warned) >= lease/3 {
			h.warned = asked
			h.s.w.log.Warn("claims cannot be renewed now", "err", err)
		}
		h.renewal.Reset(lease / 15) // calls may wait for it
	} else {
		h.renewed, h.taken, h.hurried = asked, others, false
		h.renewal.Reset(lease / 3)
	}
	if some {
		h.adopt()
		h.s.doors.renew(ctx)
	}
	if err == nil {
		h.cede()
		h.contest()
	}
}

// renewClaims renews the claims of what the session has, and returns the answers for
// the calls that others have; some is false when the session has nothing.
func (s *session) renewClaims(ctx context.Context) (others taken, some bool, err error) {
	s.renewing.Lock()
	defer s.renewing.Unlock()
	held := s.held()
	if len(held) == 0 {
		return nil, false, nil
	}
	claims, err := s.w.cfg.Results.Claim(ctx, s.w.holder, s.w.cfg.Lease, held...)
	if err != nil {
		return nil, true, err
	}
	for i, c := range claims {
		if !c.Granted {
			if others == nil {
				others = taken{}
			}
			others[held[i]] = c
		}
	}
	return others, true, nil
}

// cede takes out those of the calls that wait here which others have: they run them, or
// have told how they ended.
func (h *host) cede() {
	if len(h.taken) == 0 {
		return
	}
	gone := h.waiting.trim(func(j *job) bool {
		_, ok := h.taken[j.Envelope.ID]
		return !ok || j.At.After(h.renewed) // it was claimed anew since
	})
	var ended []finished
	var run []*job
	for _, j := range gone {
		if r := h.taken[j.Envelope.ID].Result; r != nil {
			h.s.dismiss(j)
			ended = append(ended, repeat(j, *r))
		} else {
			run = append(run, j)
		}
	}
	h.giveUp(run)
	if len(ended) > 0 {
		h.s.done <- ended
	}
	if len(gone) > 0 {
		h.s.w.log.Info("claims had ended: calls are left to who has them now", "run elsewhere", len(run), "ended", len(ended))
	}
}

// contest ends the running call with its process group when it is another worker's. That
// is said by two renewals, unless it has ended there: also who only looks whether a
// call was lost, or has ended, claims it for a moment.
func (h *host) contest() {
	before := h.contested
	h.contested = nil
	if len(h.pipe) == 0 || h.condemned() {
		return
	}
	j := h.pipe[0]
	c, ok := h.taken[j.Envelope.ID]
	switch {
	case !ok || time.Since(j.began) < h.s.w.cfg.Lease: // it soon ends by itself
	case c.Result != nil && c.Result.State == model.Cancelled: // see inquire
	case c.Result == nil && before != j:
		h.contested = j
	default:
		h.lost = j
		h.s.w.log.Warn("a call that another worker has is ended with its process: its claim could not be renewed in time",
			"call_id", j.Envelope.ID, "socket", j.Envelope.Socket, "holder", c.Holder)
		h.s.proc.Kill()
	}
}

// condemned tells whether the process is being ended because of a call.
func (h *host) condemned() bool { return h.overdue != nil || h.cancelled != nil || h.lost != nil }

// adopt counts calls among those that run which began before their socket had a
// limit of them.
func (h *host) adopt() {
	for _, j := range h.pipe {
		if e := h.s.receiver.Endpoint(j.Delivery.Queue, j.Endpoint.Socket.Name); e != nil && j.pass.room == "" {
			if room := roomOf(e); room != "" {
				j.pass.room = room
				h.s.doors.passed(room, 1)
			}
		}
	}
}
