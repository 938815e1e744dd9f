# A throwaway Incus server with a folder, and words to tell what is done: what the scripts of the examples share.
# To be sourced, by scripts with `set -euo pipefail`. Needs root (for the server's namespaces); leaves nothing behind.

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
[ "$(id -u)" = 0 ] || { echo "this example starts a private Incus server, which needs root" >&2; exit 1; }
unset "${!INCUS_@}" # nothing of the user's own: neither server nor repository

work=$(mktemp -d)
server=
stop_server() {
  [ -z "$server" ] || { kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; }
  server=
}
cleanup() {
  local code=$?
  stop_server
  rm -rf "$work"
  [ $code = 0 ] || printf '\nThe example failed (exit code %s).\n' "$code" >&2
  exit $code
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

bold=; dim=; plain=
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m'; dim=$'\e[2m'; plain=$'\e[0m'; fi
say() { printf '\n%s# %s%s\n' "$bold" "$*" "$plain"; }
run() { printf '%s$ %s%s\n' "$dim" "$*" "$plain"; "$@"; }
inside() { incus exec "$1" -- sh -c "$2" </dev/null; }

# start_server [--empty]: makes it the one that `incus` and `incus-backup` talk to.
start_server() {
  unset INCUS_SOCKET # where an earlier one listened; the new one would, too
  : >"$work/serve.out"
  (cd "$repo" && exec "$(command -v python)" -m tests.live.support serve "$@") >"$work/serve.out" </dev/null &
  server=$!
  for _ in $(seq 300); do
    grep -qs '^INCUS_SOCKET=' "$work/serve.out" && break
    kill -0 "$server" 2>/dev/null || { echo "the server did not start" >&2; exit 1; }
    sleep 0.1
  done
  eval "export $(grep -m1 '^INCUS_SOCKET=' "$work/serve.out")"
}

export INCUS_CONF=$work/conf INCUS_BACKUP_DIR=$work/backups INCUS_BACKUP_STATE_DIR=$work/state
mkdir -p "$INCUS_CONF"
cd "$work"
