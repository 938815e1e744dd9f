"""Which of several images gets an alias that all of them had, decided from goals and a world."""

from attrs import evolve

from incusbak.engine.planning.alias_owners import settle_aliases
from incusbak.engine.planning.world import World
from incusbak.kinds import KINDS
from incusbak.kinds.image.definition import grouped, image_ref
from incusbak.model.backups import StoredManifest
from incusbak.model.goals import Alias, Goal, Restored, RestoreOptions
from incusbak.model.policies import IfPresent
from incusbak.model.refs import BackupId
from tests.samples import manifest_of
from tests.unit.test_image_definition import image
from tests.unit.worlds import world

FIRST, SECOND, THIRD = (letter * 64 for letter in "abc")
MINI = Alias("default", "mini")


def stored(fingerprint: str, day: int, *aliases: str) -> tuple[BackupId, StoredManifest]:
    backup = BackupId(image_ref(fingerprint), f"202601{day:02}T000000Z")
    made = manifest_of(backup, ())
    captured = evolve(made.captured, resource=document(fingerprint, *aliases))
    return backup, StoredManifest(evolve(made, captured=captured), "sha")


def document(fingerprint: str, *aliases: str) -> dict[str, object]:
    seen = image(fingerprint=fingerprint, aliases=[{"name": name, "description": ""} for name in aliases])
    [found] = grouped([seen]).values()
    return dict(found.document)


def there(
    *backups: tuple[BackupId, StoredManifest], living: dict[str, tuple[str, ...]] | None = None
) -> World:
    documents = [
        image(fingerprint=name, aliases=[{"name": a, "description": ""} for a in aliases])
        for name, aliases in (living or {}).items()
    ]
    resources = grouped(documents)
    found = world(*resources.values(), backups=[b for b, _ in backups], manifests=dict(backups))
    return evolve(found, kinds=KINDS)


def goals(*backups: tuple[BackupId, StoredManifest], if_present: IfPresent = IfPresent.FAIL) -> list[Goal]:
    return [Restored(b.ref, b, if_present, RestoreOptions()) for b, _ in backups]


def decided(found: list[Goal]) -> dict[str, tuple[tuple[Alias, ...], tuple[Alias, ...]]]:
    return {
        goal.ref.name[0]: (goal.options.without_aliases, goal.options.takes_aliases)
        for goal in found
        if isinstance(goal, Restored)
    }


OLD, NEW = stored(FIRST, 1, "mini"), stored(SECOND, 2, "mini", "other")


def test_the_newest_backup_gets_it() -> None:
    found, notes = settle_aliases(goals(OLD, NEW), there(OLD, NEW))
    assert decided(found) == {"a": ((MINI,), ()), "b": ((), ())}
    assert notes == [
        f"image/{FIRST} comes without the alias mini in project default: it goes to image/{SECOND}, "
        "whose backup is newer"
    ]


def test_one_alone_keeps_what_it_had() -> None:
    assert settle_aliases(goals(OLD), there(OLD)) == (goals(OLD), [])
    assert settle_aliases(goals(OLD), there(OLD, living={FIRST: ("mini",)})) == (goals(OLD), [])


def test_what_lives_keeps_it_unless_it_may_be_replaced() -> None:
    seen = there(OLD, NEW, living={THIRD: ("mini",)})
    assert decided(settle_aliases(goals(OLD, NEW), seen)[0]) == {"a": ((MINI,), ()), "b": ((MINI,), ())}
    replacing = goals(OLD, NEW, if_present=IfPresent.REPLACE)
    assert decided(settle_aliases(replacing, seen)[0]) == {"a": ((MINI,), ()), "b": ((), (MINI,))}


def test_one_that_is_put_back_itself_gives_it_up_by_that() -> None:
    seen = there(OLD, NEW, living={FIRST: ("mini",)})
    replacing = goals(OLD, NEW, if_present=IfPresent.REPLACE)
    assert decided(settle_aliases(replacing, seen)[0]) == {"a": ((MINI,), ()), "b": ((), ())}
    assert decided(settle_aliases(goals(OLD, NEW), seen)[0]) == {"a": ((), ()), "b": ((MINI,), ())}
