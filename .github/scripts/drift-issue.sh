#!/usr/bin/env bash
# One issue a stack: opened or updated while the file says that something differs, closed when it is empty.
set -euo pipefail
stack=$1 file=$2
marker="<!-- headroom-drift $stack -->"
export marker
# Pull requests are issues to this API; others' issues are left alone, whatever they say.
number=$(gh api --paginate "repos/$REPOSITORY/issues?state=open&per_page=100" |
    jq -r '.[] | select(.pull_request == null and .user.login == "github-actions[bot]" and (.body // "" | startswith(env.marker))) | .number' |
    sed -n 1p)
if [[ ! -s $file ]]; then
    if [[ -n $number ]]; then
        gh api --method PATCH "repos/$REPOSITORY/issues/$number" -f state=closed -f state_reason=completed --jq .html_url
    fi
    exit 0
fi
body=$(mktemp)
trap 'rm -f "$body"' EXIT
# An issue takes 65,536 characters; what counts stands at the end.
tail -c 60000 "$file" | jq -Rs --arg stack "$stack" --arg run "$RUN_URL" '{
    title: ($stack + " has drifted"),
    body: (env.marker + "\nSomebody or something changed resources of `" + $stack + "` outside of Pulumi. Either bring the program there "
        + "too, or put it back: `pulumi up --refresh --stack " + $stack + "`.\n\n~~~~\n" + . + "\n~~~~\n\nAs of [this run](" + $run + ").\n")
}' > "$body"
if [[ -n $number ]]; then
    gh api --method PATCH "repos/$REPOSITORY/issues/$number" --input "$body" --jq .html_url
else
    gh api --method POST "repos/$REPOSITORY/issues" --input "$body" --jq .html_url
fi
