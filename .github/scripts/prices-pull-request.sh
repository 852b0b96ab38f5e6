#!/usr/bin/env bash
# Puts changed prices on the branch `prices`, and opens a pull request from it unless one is open.
set -euo pipefail
changes=$1
if git diff --quiet -- infra/cost/prices; then
    echo "no price has changed"
    exit 0
fi
git config user.name "github-actions[bot]"
git config user.email "41898282+github-actions[bot]@users.noreply.github.com"
git switch --force-create prices
git commit --quiet --message "Prices of $(date --utc +%Y-%m-%d)" -- infra/cost/prices
# The checkout kept no token, so that no other step could use it.
gh auth setup-git
# Only this script writes that branch; a month's prices replace those of the last.
git push --quiet --force origin prices
body=$(mktemp)
trap 'rm -f "$body"' EXIT
# A pull request takes 65,536 characters.
{
    printf 'Read from the AWS Price List API. Close and reopen this pull request to have it checked: '
    printf 'GitHub starts no workflow for what a workflow opens.\n\n~~~~\n'
    head -c 60000 "$changes"
    printf '\n~~~~\n'
} > "$body"
number=$(gh pr list --repo "$REPOSITORY" --head prices --state open --json number --jq '.[].number')
if [[ -n $number ]]; then
    gh pr edit "$number" --repo "$REPOSITORY" --body-file "$body"
else
    gh pr create --repo "$REPOSITORY" --base main --head prices --title "Refresh the price book" --body-file "$body"
fi
