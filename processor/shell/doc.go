// Package shell runs processors that are executable files, in any language.
//
// The module of the processor is a folder of the repository ("scripts", or
// "tools/bin", which may be written tools.bin). Each executable file in it is a function, named
// like the file without its extension. Hidden files are none. The comment at the head of a
// script, below its #! line, is the function's documentation.
//
// # A call
//
// Each call is one run of the file, in a process group of its own, in the root of the
// checkout (which must not be written to). The arguments come twice:
//
//   - standard input: one JSON object, {"args":[…],"kwargs":{…}};
//   - words: each positional argument, a string as it is and anything else as
//     JSON, then --name=value for each keyword argument, sorted by name. When the
//     words have more than 96 KiB or contain a zero byte, which no program can be
//     started with, they are left out and the log of the call says so.
//
// The environment has PATH, HOME, LANG and the like, and
//
//	FLOW_CALL_ID     the id of the call, the same in every attempt
//	FLOW_ATTEMPT     which run of the call this is, from 1
//	FLOW_TRACKING    the id of the run that the call belongs to
//	FLOW_SOCKET      the socket that was called
//	FLOW_FUNCTION    the name of the function
//	FLOW_PLUGS_FILE  a file to choose plugs in: one NAME=JSON a line
//	FLOW_MARK        by which what the file starts is found again: pass it on
//
// Standard output is the result: the JSON value when it is one, else text without
// the newlines at its end; nothing at all is null. So 42 is a number, "42" in quotes
// is a text, and a line like hello is a text too. Standard error is the log of
// the call.
//
// An exit status other than 0 is the failure ExitStatus, with the last lines of
// standard error. When the file has ended, what it left running in its group is killed.
//
// A daemon that has left the group on purpose (setsid) goes on when the file has ended
// by itself, with any status. It ends with its call when that is cancelled, takes too
// long, prints too much or dies of a signal, and else when the worker stops or ends
// another call by force. That is so on Linux, where daemons are found by FLOW_MARK.
package shell
