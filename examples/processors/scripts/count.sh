#!/bin/sh
# Counts the lines of a text, which is its first word. What goes to standard
# error is the log of the call.
echo "counting ${#1} characters" >&2
printf '%s\n' "$1" | wc -l | tr -d ' '
