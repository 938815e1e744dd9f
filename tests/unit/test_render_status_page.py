"""How promises stand, as a page: it needs nothing but itself, and what is broken comes first."""

from datetime import timedelta

from attrs import evolve

from incusbak.model.refs import BackupId, instance_ref
from incusbak.model.standings import LastRehearsal, Overview, State, StoredSize
from incusbak.render.status_page import render_status_page
from tests.samples import MOMENT
from tests.unit.test_render import HOSTILE, check_golden
from tests.unit.test_render_html import ACTIVE, Page
from tests.unit.test_render_standings import OVERVIEW

WEB = instance_ref("default", "web-1").address
SIZES = tuple(StoredSize(MOMENT - timedelta(days=days), size) for days, size in ((2, 512), (1, 0), (0, 1024)))
LAST = LastRehearsal(
    BackupId(instance_ref("default", "web-1"), "20260228T123000Z"), MOMENT, "", restore_seconds=2.5
)
PROTECTED = tuple(
    evolve(each, rehearsal=LAST, sizes=SIZES) if each.address == WEB else each for each in OVERVIEW.protected
)
FULL = evolve(OVERVIEW, protected=PROTECTED)
KEPT = evolve(OVERVIEW, protected=tuple(each for each in PROTECTED if each.state is State.OK), vanished=())


def shown(overview: Overview = FULL) -> str:
    return render_status_page(overview)


def test_a_page_is_as_in_the_golden_file() -> None:
    check_golden("status.html", shown())


def test_the_page_asks_for_nothing() -> None:
    page, text = Page(shown()), shown()
    assert (ACTIVE - {"svg"}) & {tag for tag, _ in page.tags} == set()
    assert [word for word in ("http:", "https:", "url(", "@import", "src=") if word in text] == []


def test_what_is_broken_comes_first_and_every_resource_is_there() -> None:
    page = Page(shown())
    assert page.texts("h2")[0] == f"Broken promises: {FULL.broken_promises}"
    states = page.texts("h3", "span")
    assert states == sorted(states, key=lambda state: state == "ok")
    assert len(page.texts("h3", "code")) == len(FULL.protected)


def test_kept_promises_are_told_too() -> None:
    assert Page(shown(KEPT)).texts("h2")[0] == "Every promise is kept"


def test_sizes_are_a_line_from_the_first_to_the_last_up_to_the_largest() -> None:
    page = Page(shown())
    assert page.values("points") == ["0.0,20.0 120.0,40.0 240.0,0.0"]
    assert "512 B on 2026-02-27, 1.0 KiB on 2026-03-01; 3 backups, the largest 1.0 KiB" in page.texts("p")


def test_a_rehearsal_is_told_with_what_was_measured() -> None:
    assert "2026-03-01 12:30 UTC: restored in 2.5 s, up in 0.0 s" in Page(shown()).texts("dd")


def test_hostile_text_stays_text() -> None:
    plain = [tag for tag, _ in Page(shown()).tags]
    hostile = evolve(
        FULL,
        server=HOSTILE,
        repository=HOSTILE,
        protected=tuple(evolve(each, rule=HOSTILE, reason=each.reason and HOSTILE) for each in PROTECTED),
        unprotected=(HOSTILE,) * len(FULL.unprotected),
    )
    assert [tag for tag, _ in Page(shown(hostile)).tags] == plain
