"""Steps that work on more than their own resource, and steps on single entities of the configuration."""

from typing import Any

from attrs import evolve

from incusbak.engine.execution.context import ExecutionContext
from incusbak.model.actions import BackUp, Create, Delete, Replace, Update
from incusbak.model.backups import ExportOptions
from incusbak.model.goals import RestoreOptions
from incusbak.model.plans import HasManifest, Step, Unchanged
from incusbak.model.refs import CONFIG, BackupId, ResourceRef, instance_ref
from incusbak.model.results import Event, Finished, Phased, Started, Transferred
from tests.fakes import MemoryRepository
from tests.samples import MOMENT, manifest_of, store
from tests.unit.test_executor import kind_of, run, states
from tests.unit.toy_entities import ToyEntity
from tests.unit.toys import ToyKind, execution_context, resource

A, B, C = (instance_ref("default", name) for name in "abc")


def test_steps_that_hold_the_same_resource_do_not_run_at_once() -> None:
    kind, together = kind_of(A, B, C), list[list[str]]()
    running: set[str] = set()

    def note(event: Event) -> None:
        if isinstance(event.what, Started):
            running.add(event.step)
        if isinstance(event.what, Finished):
            running.discard(event.step)

    kind.meanwhile = lambda _: together.append(sorted(running))
    plain = [Step(ref.name, ref.address, BackUp(ref, ExportOptions()), "") for ref in (A, B, C)]
    steps = [evolve(plain[0], holds=(C,)), evolve(plain[1], holds=(C,)), plain[2]]
    assert set(states(run(steps, execution_context(kind), parallel=3, listen=note)).values()) == {"done"}
    assert together == [["a"], ["b"], ["c"]]


def replacing(repository: MemoryRepository) -> Step:
    """A step that replaces C as it is before anything is done."""
    action = Replace(store(repository, C), C, RestoreOptions())
    return Step("c", C.address, action, "", after=("a",), expects=(Unchanged(C, "u-c", "", "e1", ()),))


def test_what_a_run_itself_stopped_and_started_is_not_taken_for_changed_by_others() -> None:
    kind, repository = kind_of(A, C), MemoryRepository()
    last = replacing(repository)
    kind.meanwhile = lambda ref: kind.there.update({C: resource(C, etag="started again")} if ref == A else {})
    first = Step("a", A.address, BackUp(A, ExportOptions()), "", holds=(C,))
    assert states(run([first, last], execution_context(kind, repository))) == {"a": "done", "c": "done"}


def test_what_others_change_after_that_is_a_change() -> None:
    kind, repository = kind_of(A, C), MemoryRepository()
    last = replacing(repository)

    def change(event: Event) -> None:
        if isinstance(event.what, Finished) and event.step == "a":
            kind.there[C] = resource(C, etag="edited", limit="2")

    for holds in ((C,), ()):
        kind.there[C] = resource(C)
        first = Step("a", A.address, BackUp(A, ExportOptions()), "", holds=holds)
        report = run([first, last], execution_context(kind, repository), listen=change)
        assert states(report) == {"a": "done", "c": "failed"}
        assert report.outcomes[1].error == f"the configuration of {C} has changed"


# -- single entities ----------------------------------------------------------------------------------


def configured_shop(stored: Any, **there: Any) -> tuple[ExecutionContext, BackupId, ToyEntity]:
    """A server with some profiles, and a repository with a backup of others."""
    repository, entity = MemoryRepository(), ToyEntity("profile", 5, there)
    with repository.new_backup(CONFIG, MOMENT) as writer:
        manifest = manifest_of(writer.id, ())
        writer.commit(evolve(manifest, captured=evolve(manifest.captured, resource={"profile": stored})))
    shop = execution_context(ToyKind(), repository)
    return evolve(shop, entities={"profile": entity}), writer.id, entity


def step_on(ref: ResourceRef, action: Create | Update | Delete, etag: str, *more: HasManifest) -> Step:
    expects = (Unchanged(ref, "", "", etag, ()),) if etag else ()
    return Step(ref.name, ref.address, action, "", expects=(*expects, *more))


def test_an_entity_is_made_changed_and_deleted_as_planned() -> None:
    shop, source, entity = configured_shop({"new": {"cpu": "1"}, "old": {"cpu": "2"}}, old={}, gone={})
    new, old, gone = map(entity.ref, ("new", "old", "gone"))
    report = run(
        [
            step_on(new, Create(source, new, RestoreOptions()), ""),
            step_on(old, Update(source, old, RestoreOptions()), "etag {}"),
            step_on(gone, Delete(gone), "etag {}"),
        ],
        shop,
        parallel=1,
    )
    assert set(states(report).values()) == {"done"}
    assert entity.done == [f"create {new}", f"update {old}", f"delete {gone}"]
    assert entity.there == {"new": {"cpu": "1"}, "old": {"cpu": "2"}}


def test_an_entity_that_changes_at_the_last_moment_is_left_alone() -> None:
    shop, source, entity = configured_shop({"old": {"cpu": "2"}}, old={})
    old = entity.ref("old")

    def change(event: Event) -> None:
        if isinstance(event.what, Transferred | Phased):  # the backup is being verified
            entity.there["old"] = {"mine": "1"}

    step = step_on(old, Update(source, old, RestoreOptions()), "etag {}")
    [outcome] = run([step], shop, listen=change).outcomes
    assert (outcome.exit_code, entity.there) == (4, {"old": {"mine": "1"}})
