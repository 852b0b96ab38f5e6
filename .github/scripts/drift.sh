#!/usr/bin/env bash
# Writes what differs between a stack's state and the real resources into a file; an empty file where nothing does.
set -euo pipefail
stack=$1 file=$2
code=0
headroom drift "$stack" > "$file" || code=$?
cat "$file"
case $code in
    0) : > "$file" ;;
    # Everything else means that nobody knows.
    1) echo "::warning::$stack has drifted" ;;
    *) exit "$code" ;;
esac
