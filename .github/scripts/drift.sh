#!/usr/bin/env bash
# Writes what differs between a stack's state and the real resources into a file; an empty file where nothing does.
set -euo pipefail
stack=$1 file=$2
code=0
pulumi refresh --stack "$stack" --preview-only --expect-no-changes --diff --non-interactive --color never --suppress-outputs \
    > "$file" 2>&1 || code=$?
cat "$file"
case $code in
    0) : > "$file" ;;
    # What `--expect-no-changes` ends with; everything else means that nobody knows.
    # https://github.com/pulumi/pulumi/blob/v3.255.0/pkg/cmd/pulumi/cmd/exit_codes.go
    7) echo "::warning::$stack has drifted" ;;
    *) exit "$code" ;;
esac
