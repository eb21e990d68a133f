#!/bin/sh
# Greets whoever the words name.
echo "Hello, ${*:-world}!"
