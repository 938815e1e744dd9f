#!/bin/sh
# Plan what the policies of this commit ask for: plans/COMMIT.json to be applied, plans/COMMIT.md to be reviewed.
# Ends with 0 if there is nothing to do, with 2 if there is, with 7 if a guard forbids it or a rule matches nothing, else something failed.
set -eu
cd "$(dirname "$0")/.."

[ -z "$(git status --porcelain -- policies)" ] || { echo "policies/ holds what is not committed" >&2; exit 64; }
commit=$(git rev-parse HEAD)
mkdir -p plans
exec incus-backup plan -f policies --detailed-exitcode \
  --out "plans/$commit.json" --format markdown >"plans/$commit.md"
