"""How promises stand, as people and as Prometheus are shown it: golden files and the rules behind them."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from incusbak.model.refs import BackupId, ResourceRef, format_timestamp, instance_ref, volume_ref
from incusbak.model.standings import (
    LastRehearsal,
    Leftover,
    NewestBackup,
    Overview,
    Standing,
    State,
    StoredSize,
    Totals,
    VanishedRule,
    Verification,
)
from incusbak.render.prometheus import render_metrics
from incusbak.render.standings import gist, render_status, status_summary
from incusbak.render.wording import brief_duration, cells, squeezed
from tests.samples import MOMENT
from tests.unit.test_render import HOSTILE, check_golden

HOUR, DAY = 3600, 86400
Sample = tuple[str, frozenset[tuple[str, str]], float]


def standing(
    ref: ResourceRef,
    rule: str,
    state: State = State.OK,
    *,
    every: int | None = DAY,
    age: int | None = None,
    read: Verification | None = None,
) -> Standing:
    newest = None
    if age is not None:
        created = MOMENT - timedelta(seconds=age)
        newest = NewestBackup(BackupId(ref, format_timestamp(created)), created, age, 52428800)
    reason = "can't be backed up: Incus 6.0.4 can't back up ISO volumes; that came with Incus 6.0.6"
    return Standing(
        ref.address,
        ref.kind,
        ref.project,
        rule,
        state,
        every,
        newest,
        reason if state is State.IMPOSSIBLE else "",
        read or Verification(last=newest.created if newest else None),
    )


def verified(ago: int) -> Verification:
    return Verification(7 * DAY, MOMENT - timedelta(seconds=ago))


STUCK = "/var/lib/incus/storage-pools/default/containers-snapshots/incusbak-0123456789ab-old/back\\slash"
DAMAGED = evolve(verified(HOUR), damaged=(BackupId(instance_ref("default", "bad"), "20260301T113000Z"),))
OVERVIEW = Overview(
    server="host-1",
    repository="dir:/srv/incus-backups",
    as_of=MOMENT,
    protected=(
        standing(ResourceRef("config"), "config", every=None, age=400 * DAY + 7 * HOUR),
        standing(ResourceRef("image", name="0123456789abcdef" * 4), "everything", age=8 * HOUR),
        standing(instance_ref("default", "db"), "databases-of-the-shop", State.MISSING, every=6 * HOUR),
        standing(instance_ref("default", "web-1"), "web", age=23 * HOUR + 59 * 60),
        standing(instance_ref("default", "web-2"), "web", State.OVERDUE, age=2 * DAY + 4 * HOUR + 1),
        standing(volume_ref("default", "default", "installer"), "everything", State.IMPOSSIBLE),
    ),
    vanished=(VanishedRule("old", "protect rule old (p.yaml:9:5) matches nothing on the server, but …"),),
    quarantined=(
        Leftover(
            "instance/default/db",
            "incusbak-0123456789ab-old, which a restore has replaced",
            f"removing the replaced one: Failed deleting instance snapshots: Failed to remove '{STUCK}': "
            f"unlinkat {STUCK}/rootfs: read-only file system",
            "restart the host",
            MOMENT - timedelta(days=2),
        ),
    ),
    reconfigured=("network/default/br0", "profile/default/web"),
    unprotected=("instance/default/scratch", "instance/lab/job"),
    opted_out=("instance/default/cache",),
    warnings=("protect rule spare (p.yaml:12:5) matches nothing on the server",),
)
READ = evolve(
    OVERVIEW,
    protected=(
        standing(instance_ref("default", "bad"), "web", State.DAMAGED, age=DAY, read=DAMAGED),
        standing(instance_ref("default", "late"), "web", State.UNVERIFIED, age=DAY, read=verified(9 * DAY)),
        standing(instance_ref("default", "web-1"), "web", age=HOUR, read=verified(3 * DAY + 5 * HOUR)),
        standing(instance_ref("default", "web-2"), "rest", age=HOUR),
    ),
    vanished=(),
    totals=Totals(12, 3 << 30, 50 << 30),
)


def with_history(each: Standing, *sizes: int, problem: str = "") -> Standing:
    days = range(len(sizes) - 1, -1, -1)
    history = (StoredSize(MOMENT - timedelta(days=day), size) for day, size in zip(days, sizes, strict=True))
    rehearsed = BackupId(instance_ref("default", "web-1"), "20260301T113000Z")
    last = LastRehearsal(rehearsed, MOMENT - timedelta(hours=2), problem, 2.5, 0.25)
    return evolve(each, sizes=tuple(history), rehearsal=last, rehearse_max_age_seconds=30 * DAY)


PROVEN = evolve(
    READ,
    protected=(
        with_history(standing(instance_ref("default", "gone"), "web", age=HOUR), 9 << 30, 9 << 30, 5 << 10),
        with_history(standing(instance_ref("default", "new"), "web", age=HOUR), 0, 7 << 20),
        with_history(standing(instance_ref("default", "same"), "web", age=HOUR), 5 << 30, 5 << 30),
        with_history(standing(instance_ref("default", "once"), "web", age=HOUR), 1 << 20),
        with_history(
            standing(instance_ref("default", "unfit"), "web", State.UNREHEARSED, age=HOUR),
            *(1000, 1500, 1250),
            problem="`true` ended with code 1",
        ),
    ),
)
WELL = evolve(OVERVIEW, protected=OVERVIEW.protected[3:4], vanished=(), reconfigured=(), warnings=())


# -- for people ---------------------------------------------------------------------------------------


def test_a_status_is_shown_as_in_the_golden_file() -> None:
    check_golden("status.txt", render_status(OVERVIEW, width=80))


def test_what_was_read_again_is_shown_as_in_the_golden_file() -> None:
    check_golden("status-verified.txt", render_status(READ, width=80))


def test_sizes_and_rehearsals_are_shown_as_in_the_golden_file() -> None:
    check_golden("status-proven.txt", render_status(PROVEN, width=80))


@pytest.mark.parametrize(
    ("totals", "line"),
    [
        (Totals(1), "Repository dir:/srv/incus-backups: 1 backup.\n"),
        (Totals(0, 0, 1 << 30), "Repository dir:/srv/incus-backups: 0 backups, 0 B stored, 1.0 GiB free.\n"),
    ],
)
def test_the_end_tells_what_is_known_of_the_repository(totals: Totals, line: str) -> None:
    assert line in render_status(evolve(WELL, totals=totals)).splitlines(keepends=True)


def test_a_status_without_anything_to_tell_is_one_line() -> None:
    nothing = Overview("host-1", "dir:/x", MOMENT)
    assert render_status(nothing) == ("Status: 0 protected, 0 overdue, 0 without a backup, 0 unprotected.\n")


def test_a_colour_changes_nothing_but_colour() -> None:
    coloured = plain = render_status(OVERVIEW, colour=True, width=80)
    check_golden("status-colour.txt", coloured)
    for code in ("0", "1", "31", "32", "33"):
        plain = plain.replace(f"\x1b[{code}m", "")
    assert plain == render_status(OVERVIEW, width=80)


@pytest.mark.parametrize("width", [60, 80, 100, 0])
def test_addresses_stay_whole_and_the_table_keeps_to_the_width(width: int) -> None:
    *_, address = OVERVIEW.protected
    shown = render_status(OVERVIEW, width=width)
    table = shown.partition("\n\n")[0]
    assert f"{address.address} " in table.replace("\n", " ")
    assert "image/0123456789ab " in table.replace("\n", " ")
    assert ("databases-of-the-shop" in table) == (width == 0)
    assert max(map(cells, table.splitlines())) <= (width if width > 60 else 200)


def test_all_that_is_protected_is_shown_and_a_long_list_of_the_rest_is_cut() -> None:
    many = evolve(
        OVERVIEW,
        protected=tuple(standing(instance_ref("default", f"web-{n}"), "web", age=1) for n in range(50)),
        unprotected=tuple(f"instance/lab/job-{n:02}" for n in range(25)),
    )
    shown = render_status(many)
    assert shown.count("instance/default/web-") == 50
    assert shown.count("instance/lab/job-") == 20
    assert "  … and 5 more; `--output json` lists all\n" in shown


@pytest.mark.parametrize(
    ("overview", "summary"),
    [
        (WELL, "Status: 1 protected, 0 overdue, 0 without a backup, 2 unprotected, 1 opted out."),
        (
            evolve(WELL, vanished=OVERVIEW.vanished * 2),
            "Status: 1 protected, 0 overdue, 0 without a backup, 2 vanished rules, 2 unprotected, "
            "1 opted out.",
        ),
    ],
)
def test_the_summary_counts_what_is_not_as_it_should_be(overview: Overview, summary: str) -> None:
    assert status_summary(overview) == summary


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59, "59s"), (60, "1m"), (3600, "1h"), (93599, "1d 1h"), (86400, "1d"), (86459, "1d")],
)
def test_ages_are_written_as_in_policies(seconds: int, text: str) -> None:
    assert brief_duration(seconds) == text


def hostile() -> Overview:
    row = evolve(OVERVIEW.protected[5], address=f"volume/{HOSTILE}", rule=HOSTILE, reason=HOSTILE)
    return Overview(
        *(HOSTILE, HOSTILE, MOMENT, (row,), (VanishedRule(HOSTILE, HOSTILE),)),
        *((HOSTILE,), (HOSTILE,), (HOSTILE,), (HOSTILE,)),
    )


def test_text_from_outside_cannot_control_the_terminal() -> None:
    assert [line for line in render_status(hostile()).splitlines() if not line.isprintable()] == []


# -- for Prometheus -----------------------------------------------------------------------------------


def parsed(text: str) -> list[Sample]:
    """What the client library of Prometheus makes of a text."""
    families = list(text_string_to_metric_families(text))
    assert all(family.type == "gauge" and family.documentation.endswith(".") for family in families)
    samples = [sample for family in families for sample in family.samples]
    return [(each.name, frozenset(each.labels.items()), each.value) for each in samples]


def values(overview: Overview, name: str) -> dict[str, float]:
    """The values of a metric by address."""
    found = [(dict(labels), value) for n, labels, value in parsed(render_metrics(overview)) if n == name]
    return {labels.get("address", ""): value for labels, value in found}


def test_metrics_are_as_in_the_golden_file() -> None:
    check_golden("status.prom", render_metrics(OVERVIEW))


def test_metrics_are_understood_as_they_are_meant() -> None:
    db, late = "instance/default/db", "instance/default/web-2"
    assert values(OVERVIEW, "incus_backup_promise_broken") == {
        "config": 0,
        "image/" + "0123456789abcdef" * 4: 0,
        db: 1,
        "instance/default/web-1": 0,
        late: 1,
        "volume/default/default/installer": 1,
    }
    made = values(OVERVIEW, "incus_backup_newest_backup_timestamp_seconds")
    assert (db in made, made[late]) == (False, MOMENT.timestamp() - 187201)
    assert values(OVERVIEW, "incus_backup_newest_backup_size_bytes")[late] == 52428800
    assert "config" not in values(OVERVIEW, "incus_backup_max_age_seconds")
    assert values(OVERVIEW, "incus_backup_max_age_seconds")[db] == 6 * HOUR
    assert values(OVERVIEW, "incus_backup_promises_broken") == {"": 4}
    assert values(OVERVIEW, "incus_backup_configuration_entities_changed") == {"": 2}
    assert values(WELL, "incus_backup_configuration_entities_changed") == {}
    assert values(WELL, "incus_backup_status_timestamp_seconds") == {"": MOMENT.timestamp()}


def test_metrics_tell_what_was_read_again_and_what_the_repository_holds() -> None:
    bad, late, rest = (f"instance/default/{name}" for name in ("bad", "late", "web-2"))
    damaged = values(READ, "incus_backup_backups_damaged")
    assert (damaged[bad], damaged[late]) == (1, 0)
    last = values(READ, "incus_backup_last_verified_timestamp_seconds")
    assert (last[late], last[rest]) == (MOMENT.timestamp() - 9 * DAY, MOMENT.timestamp() - HOUR)
    assert values(READ, "incus_backup_verify_max_age_seconds").keys() == damaged.keys() - {rest}
    assert values(READ, "incus_backup_repository_backups") == {"": 12}
    assert values(READ, "incus_backup_repository_stored_bytes") == {"": 3 << 30}
    assert values(READ, "incus_backup_repository_free_bytes") == {"": 50 << 30}
    assert values(OVERVIEW, "incus_backup_repository_free_bytes") == {}


def test_metrics_tell_of_rehearsals() -> None:
    good, unfit = "instance/default/gone", "instance/default/unfit"
    at = values(PROVEN, "incus_backup_last_rehearsed_timestamp_seconds")
    assert (at[good], at[unfit]) == (MOMENT.timestamp() - 2 * HOUR,) * 2
    assert values(PROVEN, "incus_backup_rehearse_max_age_seconds")[good] == 30 * DAY
    failed = values(PROVEN, "incus_backup_rehearsal_failed")
    assert (failed[good], failed[unfit]) == (0, 1)
    restored, up = (values(PROVEN, f"incus_backup_rehearsal_{what}_seconds") for what in ("restore", "boot"))
    assert (restored[good], up[good]) == (2.5, 0.25)
    assert (unfit in restored, unfit in up) == (False, False)
    assert values(READ, "incus_backup_rehearsal_failed") == {}


def test_files_about_several_repositories_can_lie_in_one_folder() -> None:
    names = [(name, labels) for name, labels, _ in parsed(render_metrics(OVERVIEW))]
    other = [
        (name, labels)
        for name, labels, _ in parsed(render_metrics(evolve(OVERVIEW, repository="dir:/mnt/offsite")))
    ]
    assert len(set(names + other)) == len(names) + len(other)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_a_label_that_reads_back(text: str) -> None:
    text += '\\"\n\\n'
    overview = evolve(OVERVIEW, server=text, protected=(evolve(OVERVIEW.protected[3], rule=text),))
    labels: list[Mapping[str, Any]] = [dict(labels) for _, labels, _ in parsed(render_metrics(overview))]
    assert {each["server"] for each in labels} == {text}
    assert {each["rule"] for each in labels if "rule" in each} == {text}


def eight_left(hint: str = "restart the host") -> Overview:
    [left] = OVERVIEW.quarantined
    eight = tuple(evolve(left, address=f"instance/default/db-{n}", hint=hint) for n in range(8))
    return evolve(WELL, quarantined=eight)


def test_eight_leftovers_take_about_two_lines_each_and_what_they_share_is_told_once() -> None:
    shown = render_status(eight_left(), width=80)
    told = shown[shown.index("Left over") : shown.index("Warnings") if "Warnings" in shown else None]
    lines = [line for line in told.splitlines() if line.startswith("    ") or line.startswith("  !")]
    assert len(lines) <= 8 * 2 + 5
    assert all(len(line) <= 80 for line in lines)
    assert told.count("To do about what is left over: restart the host.") == told.count("tried again") == 1
    assert told.count("read-only file system") == 8


def test_of_a_servers_words_their_first_line_is_told_and_why_it_ends() -> None:
    words = "\n\nremoving it: tar: /a/very/long/way/to/f: no\nand more\n"
    assert gist(words) == "removing it: tar: …/f: no"
    assert gist("") == ""
    assert (
        squeezed("removing it: of what: it consists: no room", 40) == "removing it: …: it consists: no room"
    )
    assert squeezed("removing it: of what: it consists: no room", 25) == "removing it: …: no room"
    assert squeezed("removing it: of what: it consists: no room", 15) == "removing it: n…"
