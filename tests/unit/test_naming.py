"""What a command line's names mean."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from incusbak.engine.selection.requests import (
    Request,
    StoredResources,
    backup_goals,
    restore_goals,
    stored_backups,
)
from incusbak.errors import Unplannable
from incusbak.model.backups import Catalog, ExportOptions
from incusbak.model.goals import BackedUp, Goal, Restored, RestoreOptions
from incusbak.model.policies import IfPresent, Latest, Maps
from incusbak.model.refs import BackupId, ResourceRef, instance_ref
from tests.unit.test_selecting import DB, KINDS, NEW, OLD, SHOP, TARGETS, WEB, seen, stored


def restore_named(*names: str, project: str = "default", catalog: Catalog, **more: Any) -> tuple[Goal, ...]:
    settings: dict[str, Any] = {
        "version": Latest(),
        "target_name": "",
        "if_present": IfPresent.FAIL,
        "options": TARGETS,
    }
    request = Request(("instance",), names, project)
    goals, _ = restore_goals(request, StoredResources(catalog), kinds=KINDS, **settings | more)
    return goals


def wanted(names: Sequence[str], project: str = "default") -> Request:
    return Request(("instance",), tuple(names), project)


@pytest.mark.parametrize(
    ("names", "project", "refs"),
    [
        ([], "default", [DB, WEB]),
        ([], "*", [DB, WEB, SHOP]),
        (["web-1", "web-1"], "default", [WEB]),
        (["web-1"], "*", [WEB, SHOP]),
        ([], "shop-us", []),
    ],
)
def test_names_and_project_say_what_is_backed_up(
    names: list[str], project: str, refs: list[ResourceRef]
) -> None:
    options = ExportOptions(snapshot=False)
    goals = backup_goals(wanted(names, project), seen(SHOP, WEB, DB), options, kinds=KINDS)
    assert goals == (tuple(BackedUp(ref, None, options) for ref in refs), ())


def test_an_unknown_name_is_refused_with_what_may_be_meant() -> None:
    inventory = seen(WEB, DB, SHOP)
    with pytest.raises(
        Unplannable, match="no such instance on the server in project default: 'wbe-1', 'x'"
    ) as near:
        backup_goals(wanted(["wbe-1", "x", "db"]), inventory, ExportOptions(), kinds=KINDS)
    assert near.value.hint == "did you mean web-1?"
    with pytest.raises(Unplannable) as elsewhere:
        backup_goals(wanted(["db"], "shop-eu"), inventory, ExportOptions(), kinds=KINDS)
    assert elsewhere.value.hint == "db is in project default: add --project default"
    with pytest.raises(Unplannable, match="in the repository: 'db'"):
        restore_named("db", project="*", catalog=stored((WEB, OLD)))


def test_a_restore_by_name_insists() -> None:
    options = RestoreOptions(maps=Maps(projects={"default": "lab"}), start=False)
    goals = restore_named(
        "web-1",
        catalog=stored((WEB, OLD), (WEB, NEW), (DB, NEW)),
        target_name="copy",
        if_present=IfPresent.REPLACE,
        options=options,
    )
    to = instance_ref("lab", "copy")
    wanted_goal = Restored(to, BackupId(WEB, NEW), IfPresent.REPLACE, options, insist=True, version=Latest())
    assert goals == (wanted_goal,)


def test_no_names_restore_all_of_the_project_that_existed_then() -> None:
    catalog = stored((WEB, OLD), (DB, NEW), (SHOP, OLD))
    assert [goal.ref for goal in restore_named(catalog=catalog)] == [DB, WEB]
    before = Latest(datetime(2026, 3, 1, tzinfo=UTC))
    assert [goal.ref for goal in restore_named(catalog=catalog, version=before)] == [WEB]
    with pytest.raises(Unplannable, match="instance/default/db: no backup from"):
        restore_named("db", "web-1", catalog=catalog, version=before)


def test_a_restore_of_nothing_is_refused() -> None:
    with pytest.raises(Unplannable, match="holds no backup of an instance in project default"):
        restore_named(catalog=stored((SHOP, OLD)))


def test_one_name_for_several_restores_is_refused() -> None:
    with pytest.raises(Unplannable, match=r"one new name \(copy\) for 2 resources"):
        restore_named(catalog=stored((WEB, OLD), (DB, OLD)), target_name="copy")


def test_maps_that_bring_two_restores_to_one_place_are_refused() -> None:
    options = RestoreOptions(maps=Maps(projects={"shop-eu": "default"}))
    with pytest.raises(Unplannable, match="instance/default/web-1 would be restored twice"):
        restore_named(project="*", catalog=stored((WEB, OLD), (SHOP, OLD)), options=options)


def test_stored_backups_are_listed_by_name_oldest_first() -> None:
    catalog = stored((WEB, NEW), (DB, OLD), (WEB, OLD), (SHOP, OLD))
    assert stored_backups(wanted([]), StoredResources(catalog), KINDS) == (
        BackupId(DB, OLD),
        BackupId(WEB, OLD),
        BackupId(WEB, NEW),
    )
    assert stored_backups(wanted(["web-1"], "shop-eu"), StoredResources(catalog), KINDS) == (
        BackupId(SHOP, OLD),
    )
