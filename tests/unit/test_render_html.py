"""A plan as a page: it needs nothing but itself, hides no hazard, and text cannot leave its place."""

import re
from html.parser import HTMLParser

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from incusbak.model.actions import BackUp, Kept, Prune
from incusbak.model.backups import RepositoryIdentity
from incusbak.model.plans import Change, Drift, Hazard, Plan, ServerIdentity, Step
from incusbak.model.policies import Hooks, PolicyFile
from incusbak.model.refs import BackupId
from incusbak.render import printable, render_plan
from tests.samples import WEB
from tests.unit.test_render import HOSTILE, PLAN, REPLACE, STEPS, check_golden, hostile_plan, many, plan_file

VOID = {"meta"}
ACTIVE = {"script", "link", "img", "iframe", "object", "embed", "base", "form", "svg", "video", "audio"}
HARMLESS = evolve(PLAN, steps=STEPS[2:4])
EMPTY = Plan(server=PLAN.server, repository=PLAN.repository, policies=PLAN.policies, covered=1)


class Page(HTMLParser):
    """What a page is made of; ``within`` has each text with the tags around it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, tuple[tuple[str, str | None], ...]]] = []
        self.within: list[tuple[tuple[str, ...], str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.within.append((tuple(self.open), data))

    @property
    def attributes(self) -> list[tuple[str, str | None]]:
        return [attribute for _, attributes in self.tags for attribute in attributes]

    def values(self, name: str) -> list[str]:
        return [value or "" for key, value in self.attributes if key == name]

    def texts(self, *around: str) -> list[str]:
        """Give each text whose innermost tags are these."""
        return [text for tags, text in self.within if tags[-len(around) :] == around and text.strip()]


def shown(plan: Plan = PLAN, *, path: str = "plan.json") -> str:
    return render_plan(plan_file(plan), form="html", path=path)


def about(text: str) -> Plan:
    """Make a plan in which everything that comes from outside is one text."""
    change = Change(f"config.{text}", text, [text])
    backup = evolve(STEPS[2], address=text, reason=text)
    assert isinstance(backup.action, BackUp)
    hooked = evolve(backup, action=evolve(backup.action, hooks=Hooks(before=((text, text),))), basis=text)
    return Plan(
        server=ServerIdentity(text, text, text or "local"),
        repository=RepositoryIdentity("4c1f", text),
        policies=(PolicyFile(text, "0" * 64),),
        steps=(hooked, evolve(REPLACE, address=text, reason=text, changes=(change,), after=(hooked.id,))),
        drift=Drift((text,), (text,), (text,), (text,), (text,)),
        blocks=(text,),
        warnings=(text,),
    )


def test_a_page_is_as_in_the_golden_file() -> None:
    check_golden("plan.html", shown())


def test_an_empty_plan_says_that_all_is_well_and_offers_nothing_to_approve() -> None:
    page = Page(shown(EMPTY))
    assert page.texts("h2") == ["No changes. Everything is as it should be."]
    assert page.texts("pre", "code") == []


def test_a_page_asks_nobody_for_anything() -> None:
    text = shown()
    assert [word for word in ("http:", "https:", "src=", "url(", "@import", "<link") if word in text] == []
    page = Page(text)
    assert {tag for tag, _ in page.tags} & ACTIVE == set()
    assert {name for name, _ in page.attributes if re.match("on|src|style|data|action", name)} == set()
    assert {link[0] for link in page.values("href")} == {"#"}
    assert "default-src 'none'; style-src 'unsafe-inline'" in page.values("content")


def test_a_page_says_its_language_its_title_and_that_it_fits_a_phone_and_the_dark() -> None:
    text = shown()
    page = Page(text)
    assert page.tags[0] == ("html", (("lang", "en"),))
    assert page.texts("title") == ["Plan 1a2b3c4d for host-1 (remote local)"]
    assert "width=device-width, initial-scale=1" in page.values("content")
    assert "@media screen and (prefers-color-scheme: dark)" in text
    assert "@media print" in text


def test_what_hurts_comes_first() -> None:
    page = Page(shown(evolve(PLAN, blocks=("too many replacements",))))
    assert page.texts("h2") == [
        "Blocked by a guard",
        "Hazards: 1 of 5 steps",
        "Plan: 2 to clean up, 1 to back up, 1 to restore, 1 to replace. 1 is covered by no rule.",
        "Steps: 5",
        "Drift",
        "Warnings: 1",
        "Approve",
    ]
    assert page.texts("pre", "code") == ["incus-backup apply plan.json --approve 1a2b3c4d --force"]


def test_a_plan_without_hazards_says_so() -> None:
    assert "No step of this plan is a hazard." in Page(shown(HARMLESS)).texts("p")
    assert "No step of this plan is a hazard." not in shown(EMPTY)


def test_steps_that_hurt_in_the_same_way_are_told_together() -> None:
    deleted = evolve(REPLACE, address="instance/default/old", hazards=(Hazard.DELETES_RESOURCE,), after=())
    page = Page(
        shown(evolve(PLAN, steps=(REPLACE, deleted, evolve(REPLACE, address="instance/default/db2"))))
    )
    assert page.texts("section", "h3") == [
        "2 × replaces the living resource, stops the running instance",
        "1 × deletes a resource",
        "Unprotected, covered by no rule: 1",
        "Rules that match nothing: 1",
    ]
    assert page.texts("a", "code") == [REPLACE.address, "instance/default/db2", deleted.address]
    assert page.values("href") == ["#step-1", "#step-3", "#step-2"]


def test_every_step_is_there_in_order_and_links_lead_to_it() -> None:
    page = Page(shown())
    assert page.texts("h3", "code") == [step.address for step in STEPS]
    ids = page.values("id")
    assert len(set(ids)) == len(ids)
    assert {link.removeprefix("#") for link in page.values("href")} <= set(ids)
    assert set(page.values("aria-labelledby")) <= set(ids)


def test_a_symbol_is_text_and_has_a_word_for_those_who_do_not_see_it() -> None:
    page = Page(shown(evolve(PLAN, steps=(evolve(REPLACE, changes=(), after=()),))))
    assert page.texts("li", "span", "span") == ["-/+", "replaced:"]


def test_fields_stand_in_a_table_with_what_was_and_what_will_be() -> None:
    page = Page(shown())
    assert page.texts("th", "code") == [change.path for change in REPLACE.changes]
    assert page.texts("del", "code") == ["(sensitive value)", '"2"', '"lan"', '["default", "old"]']
    assert page.texts("ins", "code")[:2] == ["(sensitive value)", '"4"']
    assert page.texts("td", "span") == ["not there", "not there"]


def test_neither_a_secret_nor_its_hash_is_in_a_page() -> None:
    assert [digits for digits in ("0123456789ab", "ba9876543210") if digits in shown()] == []


def test_long_lists_are_folded() -> None:
    assert "details" not in {tag for tag, _ in Page(shown()).tags}
    page = Page(shown(many()))
    assert page.texts("details", "summary") == ["Show all 12", "Show all 12"]
    changes = tuple(Change(f"config.user.{number}", None, "x") for number in range(11))
    page = Page(shown(evolve(PLAN, steps=(evolve(REPLACE, changes=changes, after=()),))))
    assert page.texts("summary") == ["Show all 11 changes"]


def test_hazards_are_never_folded() -> None:
    steps = tuple(evolve(REPLACE, address=f"instance/default/db-{number}", after=()) for number in range(40))
    page = Page(shown(evolve(PLAN, steps=steps)))
    links = [tags for tags, _ in page.within if tags[-2:] == ("a", "code")]
    assert len(links) == 40
    assert [tags for tags in links if "details" in tags] == []


def test_a_very_long_value_is_folded_and_whole() -> None:
    step = evolve(REPLACE, changes=(Change("config.user.note", None, "é" * 5000),), after=())
    page = Page(shown(evolve(PLAN, steps=(step,))))
    assert page.texts("summary") == ["5002 characters"]
    assert page.texts("details", "ins", "code") == ['"' + "é" * 5000 + '"']


@pytest.mark.parametrize("name", [HOSTILE, "\"'><img src=x onerror=alert(1)>", "&lt;b&gt;", "{{ 7 * 7 }}"])
def test_hostile_text_is_shown_as_it_is(name: str) -> None:
    page = Page(shown(about(name)))
    assert page.texts("h3", "code") == [printable(name)] * 2
    assert page.texts("a", "code") == [printable(name)]
    assert page.texts("th", "code") == [printable(f"config.{name}")]


@given(st.text(alphabet=st.characters(), max_size=30) | st.text("<>&\"'/=-!` \u202e\x00\n", max_size=30))
def test_no_text_from_outside_changes_how_a_page_is_built(name: str) -> None:
    text = shown(about(name))
    assert Page(text).tags == Page(shown(about("tame"))).tags
    assert [line for line in text.splitlines() if not line.isprintable()] == []


def test_a_page_of_hostile_text_holds_no_tag_of_it() -> None:
    text = shown(hostile_plan())
    assert re.findall(r"<script|</details>|\x1b|\u202e", text) == []
    assert "&lt;script&gt;@admin" in text


def test_values_that_differ_in_blanks_only_look_different() -> None:
    text = shown(PLAN)
    assert "white-space: break-spaces" in text


def test_what_a_prune_removes_and_keeps_is_a_list_that_is_folded_when_it_is_long() -> None:
    backups = tuple(BackupId(WEB, f"202601{day:02}T000000Z") for day in range(1, 13))
    step = Step(f"prune:{WEB}", WEB.address, Prune(WEB, backups[:11], (Kept(backups[11], ("last",)),)), "x")
    page = Page(shown(evolve(PLAN, steps=(step,))))
    assert [text for text in page.texts("li") if text.startswith("removes ")] == [
        f"removes {backup.timestamp}" for backup in backups[:11]
    ]
    assert "keeps 20260112T000000Z (last)" in page.texts("li")
    assert page.texts("summary") != []
