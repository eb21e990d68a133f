// Package frame is how the engine talks to a child process that hosts code. The
// page below is all that the author of a runtime in any language needs; the Go
// side of it is Start and Process.
//
// # The child protocol, version 1
//
// The child is started as the leader of a process group, with standard input
// from /dev/null, standard output and standard error captured, and two more file
// descriptors: it reads frames from 3 and writes frames to 4. Both are pipes. A
// child should first make them blocking and close-on-exec, so that programs
// which the code starts do not inherit them.
//
// A frame is a length, four bytes, unsigned, the most significant first, and
// that many bytes of one JSON object in UTF-8 with a member "type". Members that
// are unknown are to be ignored. Times are whole microseconds since 1970 (UTC).
//
// The engine sends:
//
//	{"type":"load", "protocol":1, "module":"pkg.mod", "path":["/dir"], "max_payload":8388608}
//	{"type":"describe"}
//	{"type":"call", "id":"…", "function":"f", "args":[…], "kwargs":{…},
//	                "tracking":"…", "socket":"…", "attempt":1}
//
// load is always the first and comes once. path are the folders that modules are
// searched in, in order. Members of a call that are empty may be missing.
//
// The child sends:
//
//	{"type":"ready", "protocol":1}
//	{"type":"failed", "code":"module", "message":"…", "detail":"…"}
//	{"type":"described", "tasks":[…]}
//	{"type":"log", "id":"…", "stream":"stdout", "text":"a line", "at":1700000000000000}
//	{"type":"reply", "id":"…", "value":…, "plugs":{"name":…}, "failure":{…},
//	                 "started":1700000000000000, "finished":1700000000000100}
//
// The answer to load is ready, or failed when the code cannot be loaded; after
// failed the child exits. The codes are those of processor.Code; detail is a
// traceback or other long text. The answer to describe is described, whose tasks
// have the form of model.Task, or failed. The answer to a call is one reply.
//
// The engine does not wait for an answer before it sends the next frame: many
// calls may be in the pipe. The child runs one call at a time, in order, answers
// in the same order, and writes each reply before it begins the next call: when
// it dies, the first call without a reply is the one that was running.
//
// A reply has either a failure, in the form of model.Failure, or a value, where a
// missing one means null. plugs are the values the function chose plugs for.
// Value and plugs together may have max_payload bytes; when there are more, the
// reply is a failure with the error "PayloadTooLarge". A frame that is much
// longer all the same is skipped by the engine and counts as that failure.
//
// What the code prints is sent as log frames, line by line, at once, with the id
// of the call that runs (or without one), and before the reply of that call.
// Lines should be split at 64 KiB. What is written to file descriptors 1 and 2
// themselves is also the log of the call that runs then. How much of it is kept
// is the engine's business.
//
// When descriptor 3 is at its end, the child finishes the calls it has read and
// exits with status 0. When descriptor 4 cannot be written to, the engine is gone
// and the child exits at once. On Linux it is killed then by the system as well.
package frame
