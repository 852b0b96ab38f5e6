#!/usr/bin/env bash
# Lets an update of a stack pass only where it replaces and deletes nothing that holds data: what the stack file asks for is
# judged against the stack's real state. A jump over a step of growth is stopped here too.
set -euo pipefail
stack=$1
state=$(mktemp)
trap 'rm -f "$state"' EXIT
# Without --show-secrets they stay encrypted in the file.
pulumi stack export --stack "$stack" --file "$state"
if [[ $(jq '.deployment.resources // [] | length' "$state") == 0 ]]; then
    echo "$stack was never brought up: there is nothing to lose"
    exit 0
fi
phase=$(pulumi config get headroom:phase --stack "$stack")
headroom grow "$stack" --from "$phase" --to "$phase" --state "$state"
