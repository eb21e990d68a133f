// Package test drives the built flow program as a person would: each script in
// scripts/ is typed into a terminal of its own, with a "flow up" in another,
// first on embedded backends and then on RabbitMQ, Redis and PostgreSQL.
//
// Besides the commands of testscript, scripts have:
//
//	up [FLAGS]          start 'flow up' and wait until it is ready
//	down                stop it with SIGTERM and wait
//	abandon             stop it with two SIGTERMs, and wait
//	kill-up             end it with kill -9 and wait
//	kill-workers NAME   end the child processes of a processor with kill -9
//	repo DIR            make a git repository of the folder
//	eventually CMD…     run a command until it succeeds, for at most 20 s
//	until TEXT CMD…     run a command until its stdout contains the text
//	count N CMD…        run a command until its stdout has N lines
package test
