#!/usr/bin/env bash
# GitOps, shown on a throwaway Incus server: a policy is changed on a branch, its plan is reviewed, approved by digest and
# applied; a plan from another commit and an approval for another plan are refused. Needs root; leaves nothing behind.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
source "$here/../playground.sh"

# ends_with CODE COMMAND…: run it, and fail if it ends with another code.
ends_with() {
  local wanted=$1 code=0
  shift
  run "$@" || code=$?
  printf '%s[exit code %s]%s\n' "$dim" "$code" "$plain"
  [ "$code" = "$wanted" ] || { echo "expected exit code $wanted" >&2; exit 1; }
}
commit() { git add --all && git commit --quiet --message "$1"; }
backups() { incus-backup list all --output json | sha256sum; }
plan_of() { echo "plans/$(git rev-parse "$1").json"; }
digest_of() { sed -n 's/^  "digest": "\([0-9a-f]\{8\}\).*/\1/p' "$(plan_of "$1")"; }

say "Starting a throwaway Incus server with two containers, web and db"
start_server
incus launch mini web </dev/null >/dev/null 2>&1
incus launch mini db </dev/null >/dev/null 2>&1
run incus list --columns ns </dev/null

say "A repository: policies, the steps of the pipeline, and the pipeline that calls them"
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
export GIT_AUTHOR_NAME=ops GIT_AUTHOR_EMAIL=ops@example.com GIT_COMMITTER_NAME=ops GIT_COMMITTER_EMAIL=ops@example.com
cp -R "$here/repository" operations
cd operations
git init --quiet --initial-branch main
commit "Back up the web servers"
export INCUS_BACKUP_TARGET=dir:$INCUS_BACKUP_DIR # the policies say where else
run git ls-files
run cat policies/web.yaml

say "Somebody wants the database to be backed up as well, on a branch"
git switch --quiet --create database
cat >policies/database.yaml <<'YAML'
version: 1
name: database
protect:
  - name: database
    select: {kind: instances, names: [db]}
    backup: {every: 1h}
YAML
commit "Back up the database every hour"

say "The pipeline validates: there is a mistake in it, and it says where"
ends_with 64 ci/validate.sh
sed -i 's/kind: instances/kind: instance/' policies/database.yaml
commit "Correct the kind"
ends_with 0 ci/validate.sh

say "It plans. Exit code 2: there is something to do. The plan is named by its commit"
ends_with 2 ci/plan.sh
run ls plans

say "The review: this goes into the merge request"
run cat "plans/$(git rev-parse HEAD).md"

say "It is merged, and approved by its digest: exactly that plan is applied"
git switch --quiet main
git merge --quiet --ff-only database
ends_with 0 ci/apply.sh "$(digest_of main)"
run incus-backup list all

say "The next run of the pipeline finds nothing to do"
ends_with 0 ci/plan.sh

say "A container comes, and with it a plan that waits for its approval"
incus launch mini web-2 </dev/null >/dev/null 2>&1
ends_with 2 ci/plan.sh
waiting=$(plan_of main) waiting_digest=$(digest_of main)
before=$(backups)

say "Meanwhile the policies change: that plan is from another commit now, and refused (4) although it was approved"
sed -i 's/every: 24h/every: 12h/' policies/web.yaml
commit "Back up the web servers twice a day"
run git log --oneline
ends_with 4 ci/apply.sh "$waiting_digest" "$waiting"

say "This commit has a plan of its own; the approval of the other one is not for it (5)"
ends_with 2 ci/plan.sh
ends_with 5 ci/apply.sh "$waiting_digest"

say "Neither has touched anything"
[ "$(backups)" = "$before" ] || { echo "the repository of backups has changed" >&2; exit 1; }
echo "the backups are the same as before"

say "Reviewed, approved by its own digest, applied"
ends_with 0 ci/apply.sh "$(digest_of main)"
run incus-backup list instances

say "Done. The server, the containers and the backups are removed now"
