#!/bin/sh
# usage: ci/apply.sh DIGEST [PLAN.json]
#
# Carry out the plan of this commit, approved by the digest that its review shows (8 digits or more of it).
# Ends with 4 if the plan was not made from the policies as they are here, with 5 if it is not the approved one.
set -eu
cd "$(dirname "$0")/.."

digest=${1:?usage: ci/apply.sh DIGEST [PLAN.json]}
plan=${2:-plans/$(git rev-parse HEAD).json}
exec incus-backup apply "$plan" -f policies --approve "$digest"
