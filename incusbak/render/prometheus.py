"""How the promises of a policy stand, as metrics in the text format that Prometheus reads.

The names are an interface: dashboards and alerts are made of them. Every sample names server and repository,
so that files about several of them can lie in one folder of node_exporter's textfile collector.
"""

from collections.abc import Iterator, Mapping

from ..model.refs import CONFIG
from ..model.standings import Overview, Standing, State, Totals

Labels = Mapping[str, str]
Samples = list[tuple[Labels, int | float]]
_PREFIX = "incus_backup_"


def render_metrics(*overviews: Overview) -> str:
    """Write every metric with its samples, sorted as the overviews are; all are gauges.

    Args:
        overviews: one, or that of each target of a policy.
    """
    return "".join(
        line
        for metrics in zip(*map(_metrics, overviews), strict=True)
        for line in _lines(metrics[0][0], metrics[0][1], [each for *_, found in metrics for each in found])
    )


def _lines(name: str, meaning: str, samples: Samples) -> Iterator[str]:
    yield f"# HELP {_PREFIX}{name} {meaning}\n"
    yield f"# TYPE {_PREFIX}{name} gauge\n"
    yield from (f"{_PREFIX}{name}{{{_labels(labels)}}} {value}\n" for labels, value in samples)


def _metrics(overview: Overview) -> Iterator[tuple[str, str, Samples]]:
    about = {"server": overview.server, "repository": overview.repository}
    resources = [(_labels_of(each, about), each) for each in overview.protected]
    yield from _of_resources(resources)
    yield from _of_verification(resources)
    yield from _of_rehearsals(resources)
    has_config = any(each.kind == CONFIG.kind for each in overview.protected)
    yield from _of_repository(overview.totals, about)
    for name, meaning, values in (
        ("promises_broken", "Broken promises about resources and rules.", [overview.broken_promises]),
        ("rules_vanished", "Rules that match nothing any more, but did once.", [len(overview.vanished)]),
        ("resources_protected", "Resources that a rule covers.", [len(overview.protected)]),
        ("resources_unprotected", "Resources that no rule covers.", [len(overview.unprotected)]),
        ("resources_opted_out", "Resources that asked to be left out.", [len(overview.opted_out)]),
        ("leftovers_quarantined", "What can't be cleaned up on the server.", [len(overview.quarantined)]),
        (
            "configuration_entities_changed",
            "Entities of the configuration that are not as in its last backup; only where a rule covers it.",
            [len(overview.reconfigured)] if has_config else [],
        ),
        ("status_timestamp_seconds", "When all this was found out.", [int(overview.as_of.timestamp())]),
    ):
        yield name, meaning, [(about, value) for value in values]


def _of_repository(totals: Totals | None, about: Labels) -> Iterator[tuple[str, str, Samples]]:
    values = (totals.backups, totals.stored_bytes, totals.free_bytes) if totals else (None, None, None)
    meanings = (
        ("backups", "Backups that the repository holds."),
        ("stored_bytes", "How much all backups take, removed ones included."),
        ("free_bytes", "How much more fits into the repository; none where that can't be known."),
    )
    for (name, meaning), value in zip(meanings, values, strict=True):
        yield f"repository_{name}", meaning, [] if value is None else [(about, value)]


def _of_verification(resources: list[tuple[Labels, Standing]]) -> Iterator[tuple[str, str, Samples]]:
    known = [(labels, each.verification) for labels, each in resources]
    yield (
        "last_verified_timestamp_seconds",
        "Since when every backup of a resource was made or read again; none where there is no backup.",
        [(labels, int(each.last.timestamp())) for labels, each in known if each.last],
    )
    yield (
        "verify_max_age_seconds",
        "How long ago that may be; none where no rule says so.",
        [(labels, each.max_age_seconds) for labels, each in known if each.max_age_seconds is not None],
    )
    yield (
        "backups_damaged",
        "Backups of a resource that are known to be damaged.",
        [(labels, len(each.damaged)) for labels, each in known],
    )


def _of_rehearsals(resources: list[tuple[Labels, Standing]]) -> Iterator[tuple[str, str, Samples]]:
    known = [(labels, each.rehearsal) for labels, each in resources if each.rehearsal]
    up = [(labels, each) for labels, each in known if not each.problem]
    wanted = [(labels, each.rehearse_max_age_seconds) for labels, each in resources]
    yield (
        "last_rehearsed_timestamp_seconds",
        "When a backup of a resource was last rehearsed; none where that never was.",
        [(labels, int(each.at.timestamp())) for labels, each in known],
    )
    yield (
        "rehearse_max_age_seconds",
        "How long ago that may be; none where no rule says so.",
        [(labels, age) for labels, age in wanted if age is not None],
    )
    yield (
        "rehearsal_failed",
        "Whether the last rehearsal of a resource failed.",
        [(labels, int(bool(each.problem))) for labels, each in known],
    )
    yield (
        "rehearsal_restore_seconds",
        "How long it took to bring the resource back when it was last rehearsed; none where that failed.",
        [(labels, each.restore_seconds) for labels, each in up],
    )
    yield (
        "rehearsal_boot_seconds",
        "How long it then took to be up; none where it did not come up.",
        [(labels, each.boot_seconds) for labels, each in up],
    )


def _of_resources(resources: list[tuple[Labels, Standing]]) -> Iterator[tuple[str, str, Samples]]:
    backed_up = [(labels, each.newest) for labels, each in resources if each.newest]
    yield (
        "promise_broken",
        "Whether the promise about a resource is broken: no good backup that is young enough, or one unread.",
        [(labels, int(each.state is not State.OK)) for labels, each in resources],
    )
    yield (
        "backups_failed",
        "Backups of a resource that failed since its newest good one; only where its promise is broken.",
        [(labels, each.failed.count if each.failed else 0) for labels, each in resources],
    )
    yield (
        "newest_backup_timestamp_seconds",
        "When the newest backup of a resource was made; none where there is no backup.",
        [(labels, int(newest.created.timestamp())) for labels, newest in backed_up],
    )
    yield (
        "newest_backup_size_bytes",
        "How much the newest backup of a resource takes; none where its manifest can't be read.",
        [(labels, newest.size_bytes) for labels, newest in backed_up if newest.size_bytes is not None],
    )
    yield (
        "max_age_seconds",
        "How old the newest backup may be; none where any backup will do.",
        [(labels, each.max_age_seconds) for labels, each in resources if each.max_age_seconds is not None],
    )


def _labels_of(standing: Standing, about: Labels) -> Labels:
    return {
        **about,
        "address": standing.address,
        "kind": standing.kind,
        "project": standing.project,
        "rule": standing.rule,
    }


def _labels(labels: Labels) -> str:
    return ",".join(f'{name}="{_escape(labels[name])}"' for name in sorted(labels))


def _escape(value: str) -> str:
    """Escape what would end a label's value, or the line."""
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
