#!/usr/bin/env bash
# The main job, shown on a throwaway Incus server: back up by plan and apply, lose things, get them back.
# Needs root (for the server's namespaces); leaves nothing behind. Run it with `make demo`.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
source "$here/../playground.sh"

say "Starting a throwaway Incus server"
start_server

say "Two containers with something to lose: web (plain folder pool) and db (btrfs pool)"
incus launch mini web </dev/null >/dev/null 2>&1
incus launch mini db --storage bt </dev/null >/dev/null 2>&1
inside web 'mkdir -p /srv && echo "<h1>hello</h1>" > /srv/index.html && chown 1000:1000 /srv/index.html'
inside db 'mkdir -p /srv && i=0; while [ $i -lt 1000 ]; do echo "row $i"; i=$((i+1)); done > /srv/table'
run incus list </dev/null
before_web=$(inside web 'sha256sum /srv/index.html')
before_db=$(inside db 'sha256sum /srv/table')

say "The policy: every container has a backup that is at most a day old"
run cat "$here/protect.yaml"

say "Plan: what would have to be done for that to be true?"
run incus-backup plan -f "$here/protect.yaml" --out protect.json

say "The plan is a file. It can be reviewed, committed, shown again"
run incus-backup show protect.json --format markdown

say "Apply exactly that plan"
run incus-backup apply protect.json
run incus-backup list instances

say "Plan again: nothing is left to do"
run incus-backup plan -f "$here/protect.yaml" --no-out --detailed-exitcode

say "Disaster: web is deleted, db loses its table"
run incus delete --force web </dev/null
run inside db 'rm /srv/table && echo garbage > /srv/other'

say "A restore is a plan as well. It says what it will hurt"
run incus-backup plan -f "$here/restore.yaml" --out restore.json
digest=$(sed -n 's/^  "digest": "\([0-9a-f]\{8\}\).*/\1/p' restore.json)

say "Replacing db is dangerous, so it needs consent: here to the plan with digest $digest"
run incus-backup apply restore.json --approve "$digest"
run incus list </dev/null

say "Is the data back?"
[ "$(inside web 'sha256sum /srv/index.html')" = "$before_web" ] && echo "web: /srv/index.html is what it was"
[ "$(inside db 'sha256sum /srv/table')" = "$before_db" ] && echo "db:  /srv/table is what it was"
inside db 'test ! -e /srv/other' && echo "db:  the garbage is gone"

say "Plan both policies again: no changes"
run incus-backup plan -f "$here/protect.yaml" -f "$here/restore.yaml" --no-out --detailed-exitcode

say "A profile, a volume, and the biggest disaster: the whole server is lost"
run incus profile create limited --description "small things" </dev/null
run incus profile add web limited </dev/null
run incus storage volume create default pages </dev/null
run incus config device add web pages disk pool=default source=pages path=/pages </dev/null
inside web 'echo "volume data" > /pages/note'
run incus-backup backup all -q
run incus-backup list all
stop_server

say "A new server: no pools, no profiles, no images, nothing"
start_server --empty
run incus storage list </dev/null
run incus-backup restore all -q
run incus list </dev/null
[ "$(inside web 'sha256sum /srv/index.html')" = "$before_web" ] && echo "web: /srv/index.html is what it was"
[ "$(inside web 'cat /pages/note')" = "volume data" ] && echo "web: its volume is attached, with its data"
run incus-backup restore all --skip-existing --dry-run

say "Done. The server, the containers and the backups of this demo are removed now"
