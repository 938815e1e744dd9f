"""The words of the policy language, version 1, with what they mean: for its reader and its JSON Schema."""

BACKENDS = ("dir", "restic")
"""How targets begin; a test compares them with the repositories there are."""
POLICY = {
    "version": "Version of the policy language: 1.",
    "name": "What the policy is called.",
    "target": "The repository, such as dir:/srv/incus-backups or restic:/srv/restic; the flag --target wins.",
    "targets": "Several repositories instead of one, each with a name of its own: a URI, or a mapping.",
    "timezone": "Time zone of the calendar by which backups are kept, such as Europe/Berlin; default UTC.",
    "vars": "Names for values: write ${NAME} to use one. What is not named here is taken from the "
    "environment; ${NAME:-default} gives a default, $${ is the characters themselves.",
    "sensitive": "Names of configuration keys (globs) whose values never appear in plans and output, "
    "besides those that never do (passwords, tokens, keys, cloud-init, environment).",
    "defaults": "Settings for every protect rule; a rule's own value wins.",
    "protect": "What is to be backed up. A resource belongs to the first rule that selects it.",
    "restore": "What is to be brought back from the repository.",
    "maps": "Other names for what restored resources refer to: old name to new name.",
    "guards": "Limits that no plan may exceed unless it is applied with --force.",
    "expect": "How what is not covered, or means nothing, is taken: ok (said nowhere), warn, or fail: plan, "
    "status and validate end with 7, though the plan is shown and saved, and can be applied.",
}
TARGET = {
    "uri": "The repository, such as dir:/srv/incus-backups.",
    "keep": "How many backups to keep there, whatever the rules say.",
}
SETTINGS = {
    "backup": "How and how often to back up.",
    "keep": "How many backups to keep: any rule is enough. Left out: all. The newest good one always stays.",
    "verify": "How often to read backups again from end to end.",
    "rehearse": "How often to bring the newest backup of an instance up, aside and without a network, to see "
    "that it is of use.",
    "instances_may": "What instances may decide by keys of their own configuration or their profiles': "
    "opt-in and opt-out by user.incus-backup.protect (true or false), hooks by user.incus-backup.before and "
    "user.incus-backup.after (JSON lists of commands).",
    "targets": "Names of the targets to back up to; default: all of them.",
}
PROTECT = {
    "name": "What the rule is called, once in all files.",
    "select": "Which resources on the server it means.",
    **SETTINGS,
}
SELECT = {
    "kind": "instance, volume, image or config, or a list of them.",
    "projects": "Names of projects (globs; ! in front excludes); default: the project default.",
    "names": "Names (globs; ! in front excludes); volumes are POOL/NAME, images fingerprints or aliases; "
    "default: all.",
    "where": "Configuration keys, profiles applied, each with a glob its value must match.",
}
BACKUP = {
    "every": "A backup is due when the newest is older than this: 90m, 24h, 7d, 2w, 1d12h. "
    "Left out: one must exist, however old.",
    "snapshot": "Export one point in time, not the moving instance; default true.",
    "optimized": "Use the storage driver's own format (btrfs, zfs); default false.",
    "compression": "How archives are stored; default zstd, or none where the repository itself compresses.",
    "images": "Which images are backed up with instances: none, those they were made from (referenced, "
    "the default), or all of the projects.",
    "attached_volumes": "Whether custom volumes of a matched instance are matched too; default true.",
    "before": "Commands to run inside a running instance before its content is captured, each the list "
    "of its words.",
    "after": "Commands to run inside the instance afterwards; always, once a `before` has begun.",
    "timeout": "How long each command may take, such as 30s or 5m; default 5m.",
}
RESTORE = {
    "name": "What the rule is called, once in all files.",
    "select": "Which resources in the repository it means.",
    "from": "Name of the target to take it from; default: the first of them.",
    "version": "Which backup: latest (the default), a timestamp, or the newest {before: TIME}.",
    "to": "Another place for it.",
    "if_present": "What to do if it is on the server already: fail (the default), skip, or replace.",
    "identity": "Keep uuid, MAC addresses and cloud-init id (preserve), or make new ones (regenerate); "
    "default: new ones beside a living original.",
    "volumes": "Which custom volumes come back with the instances that use them: those that are missing (the "
    "default), all, also in place of what is there (but for if_present: skip), or none.",
    "without_devices": "Names of devices of instances that are left out, such as disks of another host.",
}
TO = {
    "name": "Its new name; for a rule that matches one resource.",
    "project": "The project to restore it in.",
    "pool": "The storage pool to restore it on.",
}
MAPS = {
    "pools": "Storage pools: old name to new name.",
    "networks": "Networks: old name to new name.",
    "projects": "Projects: old name to new name.",
    "profiles": "Profiles: old name to new name.",
}
KEEP = {
    "last": "So many of the newest.",
    "hourly": "The newest of an hour, for so many hours.",
    "daily": "The newest of a day, for so many days.",
    "weekly": "The newest of a week (ISO 8601), for so many weeks.",
    "monthly": "The newest of a month, for so many months.",
    "yearly": "The newest of a year, for so many years.",
    "within": "All that are younger than this, counted from the newest.",
    "all": "All of them: true.",
}
VERIFY = {"every": "A backup is read again when it, and its last verification, are older than this."}
REHEARSE = {
    "every": "An instance is rehearsed when its last rehearsal, or its first backup, is older than this.",
    "probe": "Commands that must succeed inside, each the list of its words. Left out: it must start and go "
    "on running.",
    "timeout": "How long after its start all of them may go on failing, such as 30s or 5m; default 5m.",
}
GUARDS = {
    "max_replace": "How many of the living instances, volumes and images a plan may replace, such as 30%.",
    "max_prune": "How many of a resource's backups a plan may remove, such as 50%.",
}
EXPECT = {
    "unprotected": "What no rule covers; default warn: it is listed, and counted in the last line.",
    "unmatched": "A rule, --only or map that names something (more than *) and matches nothing; default "
    "fail. A rule of * alone that matches nothing is warned of at most.",
}
VERSION = {"before": "The newest backup not after this time, such as 2026-11-01T00:00:00Z."}
KINDS = ("instance", "volume", "image", "config")
