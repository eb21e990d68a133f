#!/bin/sh
# Tells about the node that runs the call, as a JSON object.
printf '{"node": "%s", "system": "%s", "call": "%s"}\n' "$(uname -n)" "$(uname -sm)" "$FLOW_CALL_ID"
