#!/usr/bin/env bash
# Shows what an update of a stack would do, in the run's log and on its summary page. Secrets are masked by Pulumi.
set -euo pipefail
stack=$1
code=0
pulumi preview --stack "$stack" --non-interactive --color never --suppress-outputs > "$RUNNER_TEMP/preview.txt" 2>&1 || code=$?
cat "$RUNNER_TEMP/preview.txt"
{
    printf '### preview of %s\n\n' "$stack"
    printf '~~~~\n'
    # A summary takes 1 MiB; what counts stands at the end.
    tail -c 900000 "$RUNNER_TEMP/preview.txt"
    printf '\n~~~~\n'
} >> "$GITHUB_STEP_SUMMARY"
exit "$code"
