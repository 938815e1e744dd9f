"""Several targets: plans and overviews one after another, each under the name of its target."""

from attrs import evolve
from prometheus_client.parser import text_string_to_metric_families

from incusbak.model.standings import Overview, Totals
from incusbak.render import ShownPlan, render_plans
from incusbak.render.prometheus import render_metrics
from incusbak.render.standings import render_status
from incusbak.render.status_page import render_status_page
from tests.unit.test_render import HOSTILE, PLAN, check_golden, plan_file
from tests.unit.test_render_html import Page
from tests.unit.test_render_standings import OVERVIEW

PLANS = [ShownPlan(plan_file(PLAN), f"plan-{name}.json", name) for name in ("local", "offsite")]
LOCAL = evolve(OVERVIEW, target="local", totals=Totals(12, 3 << 30, 50 << 30))
OFFSITE = evolve(OVERVIEW, target="offsite", repository="dir:/mnt/offsite", protected=OVERVIEW.protected[:1])


def test_each_plan_stands_under_the_name_of_its_target() -> None:
    alone = render_plans([ShownPlan(plan_file(PLAN), "plan-local.json")], form="text")
    both = render_plans(PLANS, form="text")
    assert both.startswith(f"Target:     local\n{alone}\nTarget:     offsite\n")


def test_in_a_page_of_several_plans_every_link_leads_to_one_place() -> None:
    page = Page(render_plans(PLANS, form="html"))
    ids = page.values("id")
    assert len(set(ids)) == len(ids)
    links = [link.removeprefix("#") for link in page.values("href")]
    assert [link for link in [*links, *page.values("aria-labelledby")] if link not in ids] == []
    assert page.texts("title") == ["2 plans for host-1 (remote local)"]
    assert [text for text in page.texts("h2") if text.startswith("Target ")] == [
        "Target local: plan ",
        "Target offsite: plan ",
    ]


def test_the_status_of_several_targets_as_a_table() -> None:
    check_golden("status-targets.txt", render_status(LOCAL, OFFSITE))


def test_what_is_so_for_all_targets_is_counted_once() -> None:
    summary = render_status(LOCAL, LOCAL).splitlines()[-1]
    alone = render_status(LOCAL).splitlines()[-1]
    assert summary.startswith("Status of 2 targets: ")
    assert summary.split(", ")[-2:] == alone.split(", ")[-2:]


def test_each_metric_is_described_once_with_the_samples_of_all_targets() -> None:
    def samples(*overviews: Overview) -> dict[str, int]:
        text = render_metrics(*overviews)
        families = list(text_string_to_metric_families(text))
        assert text.count("# TYPE") == text.count("# HELP") == len({family.name for family in families})
        return {family.name: len(family.samples) for family in families}

    local, offsite, both = samples(LOCAL), samples(OFFSITE), samples(LOCAL, OFFSITE)
    assert both == {name: local[name] + offsite[name] for name in local}


def test_a_page_about_several_targets_has_a_part_for_each() -> None:
    page = Page(render_status_page(LOCAL, OFFSITE))
    headings = page.texts("h2")
    assert [text for text in headings if text.startswith("Target ")] == ["Target local: ", "Target offsite: "]
    assert page.texts("h2", "code") == [LOCAL.repository, OFFSITE.repository]
    assert len(page.texts("h3", "code")) == len(LOCAL.protected) + len(OFFSITE.protected)


def test_names_of_targets_stay_text() -> None:
    hostile = [evolve(each, target=HOSTILE) for each in PLANS]
    assert [tag for tag, _ in Page(render_plans(hostile, form="html")).tags] == [
        tag for tag, _ in Page(render_plans(PLANS, form="html")).tags
    ]
    for text in (render_plans(hostile, form="text"), render_status(evolve(LOCAL, target=HOSTILE))):
        assert [line for line in text.splitlines() if not line.isprintable()] == []
