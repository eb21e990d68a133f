#!/bin/sh
# Chooses a plug: "even" or "odd", for its first word, a whole number.
if [ $(($1 % 2)) -eq 0 ]; then name=even; else name=odd; fi
echo "$name=$1" >> "$FLOW_PLUGS_FILE"
