"""The volumes of disks that depend on an instance, while it is backed up and while it is replaced.

What the server (7.0.2) does with them decides how:

- A volume under a dependent disk can't be renamed: that fails, and leaves the disk on a volume that is not
  there. So a volume is renamed while no instance has it.
- A disk that is taken away, or masked, takes the flag ``dependent`` off its volume.
- A volume with snapshots becomes a dependent one only if it has the flag already, and only an import or a
  copy can give it: see ``_copy_flagged``.

While an instance is replaced its successor's volumes come in under temporary names where the old ones have
theirs. Those with snapshots are copied for the flag while the old instance still runs; once it is stopped,
old and new ones are only renamed. When that is undone, old ones with snapshots are copied for the flag.
"""

from collections.abc import Iterator
from typing import Any

from attrs import evolve, frozen

from ...errors import ServerError
from ...model.backups import Manifest
from ...model.documents import Json
from ...model.goals import RestoreOptions
from ...model.inventory import Resource
from ...model.records import Phase, Restoration
from ...model.refs import ResourceRef, instance_ref, volume_ref
from ...model.results import Phased
from ...ports import IncusApi, KindContext, Watch, path_of
from ..common import custom_volumes
from ..common.cleanup import mention, watch
from ..common.marks import BY, MARK, RUN
from ..common.operations import SETTLE_SECONDS, settle_where
from ..common.paths import path
from .definition import definition
from .dependents import FLAG, Devices, disks, keeps_volumes, names_under, numbered, place_of, placed

_READY = "-new"


@frozen
class Disks:
    """The dependent disks of an instance that is brought back.

    ``final``: as they will be; ``arriving``: as they come in. ``project`` has their volumes.
    """

    final: Devices
    arriving: Devices
    project: str

    @property
    def swapped(self) -> dict[ResourceRef, ResourceRef]:
        """The volumes that come in under a temporary name, and what they will be."""
        pairs = {name: (self.arriving[name], device) for name, device in self.final.items()}
        return {self._ref(new): self._ref(final) for new, final in pairs.values() if new != final}

    @property
    def volumes(self) -> tuple[ResourceRef, ...]:
        """All names that the new volumes have on the way."""
        refs = {self._ref(device) for device in (*self.final.values(), *self.arriving.values())}
        return tuple(sorted(refs | {_ready(ref) for ref in self.swapped}))

    def _ref(self, device: Json) -> ResourceRef:
        return volume_ref(self.project, *place_of(device))


def disks_of(api: IncusApi, manifest: Manifest, record: Restoration, options: RestoreOptions) -> Disks:
    """Say where the disks of a backup go: those whose place the victim's have wait beside it at first."""
    document = manifest.captured.resource
    final = placed(document, options.maps, names_under(document, record.ref.name))
    if not final:
        return Disks({}, {}, "")
    beside = placed(document, options.maps, numbered(record.temporary))
    taken = {place_of(device) for device in disks(record.victim or {}).values()}
    arriving = {name: beside[name] if place_of(device) in taken else device for name, device in final.items()}
    return Disks(final, arriving, owner(api, record.ref.project))


def owner(api: IncusApi, project: str) -> str:
    """Tell in which project a project keeps its volumes."""
    document = api.get(path_of("projects", project)).body
    return project if keeps_volumes(document) else "default"


def concerned(record: Restoration) -> tuple[ResourceRef, ...]:
    """Name the volumes that a restore may still have to put in order."""
    if not record.volumes:
        return ()
    old = (ref for pair in _victims(record, record.volumes[0].project) for ref in pair)
    return tuple(sorted({*record.volumes, *old}))


def set_aside(record: Restoration) -> tuple[ResourceRef, ...]:
    """Name the volumes of the replaced instance, as they are called while they wait."""
    if not record.volumes:
        return ()
    return tuple(aside for _, aside in _victims(record, record.volumes[0].project))


def documents(tools: KindContext, source: Resource) -> dict[str, Json]:
    """Read the volumes of an instance's dependent disks, by the names of these."""
    found = disks(source.document)
    project = owner(tools.api, source.ref.project) if found else ""
    refs = {name: _ref(project, device) for name, device in found.items()}
    return {name: tools.api.get(path(ref), project=ref.project).body for name, ref in refs.items()}


# -- the new ones -----------------------------------------------------------------------------------


def make_ready(tools: KindContext, record: Restoration, new: Disks) -> None:
    """Take the new volumes that are to be swapped in off their instance, fit to become its disks again."""
    if not new.swapped:
        return
    temporary = instance_ref(record.ref.project, record.temporary)
    read = tools.api.get(path(temporary), project=temporary.project)
    kept = {n: d for n, d in read.body["devices"].items() if new.arriving.get(n) == new.final.get(n)}
    body = {**definition(read.body), "devices": kept}
    tools.api.replace(path(temporary), body, project=temporary.project, etag=read.etag)
    for ref in new.swapped:
        if _is_fit(tools.api, ref):
            custom_volumes.rename(tools.api, ref, _ready(ref).name)
        else:
            tools.tell(Phased(f"copying {ref.pool}/{ref.name}"))
            _copy_flagged(tools.api, ref, _ready(ref).name, {}, watch=watch(tools, "copying"))
            custom_volumes.remove(tools.api, ref)


def settle_copies(tools: KindContext, record: Restoration) -> None:
    """Wait for copies that a run which is dead has asked for: the server does not say what they are of.

    Raises:
        ServerError: some are still made, while nothing of the old instance was touched.
    """
    copied = [ref for ref in record.volumes if ref.name.endswith(_READY)]
    if not copied:
        return
    try:
        settle_where(tools.api, copied[0].project, _is_copying, str(record.ref), seconds=SETTLE_SECONDS)
    except ServerError:
        if record.phase is Phase.IMPORTING:
            raise


def _is_copying(operation: Json) -> bool:
    return bool(operation.get("description") == "Copying storage volume")


def swap(tools: KindContext, record: Restoration, new: Disks) -> None:
    """Have the new volumes in the places of the old ones; no instance has any of them."""
    places = set(new.swapped.values())
    for ref, aside in _victims(record, new.project):
        if ref in places:
            custom_volumes.rename(tools.api, ref, aside.name)
    for ref, final in new.swapped.items():
        custom_volumes.rename(tools.api, _ready(ref), final.name)


def unmark(tools: KindContext, record: Restoration) -> None:
    """Take the marks off the new volumes, which are in their places."""
    for ref in _marked(tools.api, record.volumes, RUN, record.id):
        _drop_marks(tools.api, ref)


def remove_new(tools: KindContext, record: Restoration) -> None:
    """Remove what came in and is no longer, or not yet, with its instance, which is gone."""
    for ref in _marked(tools.api, record.volumes, RUN, record.id):
        custom_volumes.remove(tools.api, ref, reused=True)


# -- the old ones -----------------------------------------------------------------------------------


def waiting(victim: Json, wanted: Json, new: Disks) -> dict[str, Any]:
    """Leave the replaced instance those of its disks whose places nobody takes: they go away with it."""
    places = {place_of(device) for device in new.final.values()}
    kept = {name: device for name, device in disks(victim).items() if place_of(device) not in places}
    return {**wanted, "devices": {**wanted["devices"], **kept}}


def put_back(tools: KindContext, record: Restoration, victim: Json) -> None:
    """Have the old volumes in their places again, fit to become disks of the old instance.

    The new ones are gone. What was copied for that stays marked until ``forget``.
    """
    if not disks(victim):
        return
    for ref, aside in _victims(record, owner(tools.api, record.ref.project)):
        if any(_marked(tools.api, (ref,), BY, record.id)):
            continue  # copied already
        is_there, is_aside = (custom_volumes.find(tools.api, each) is not None for each in (ref, aside))
        if is_there and is_aside:
            raise ServerError(f"{ref} is in the place of {aside}", hint="rename it, and run this again")
        if is_there and not _is_fit(tools.api, ref):  # it was taken off its instance, and no more
            custom_volumes.rename(tools.api, ref, aside.name)
            is_aside = True
        if is_aside:
            _bring_back(tools, record, aside, ref)


def _bring_back(tools: KindContext, record: Restoration, aside: ResourceRef, ref: ResourceRef) -> None:
    if _is_fit(tools.api, aside):
        custom_volumes.rename(tools.api, aside, ref.name)
        return
    copy = evolve(ref, name=f"{aside.name}-back")
    custom_volumes.remove(tools.api, copy, reused=True)  # maybe half of one
    mention(tools, f"copying {ref.pool}/{ref.name} back")
    _copy_flagged(tools.api, aside, copy.name, {MARK + BY: record.id})
    custom_volumes.rename(tools.api, copy, ref.name)


def forget(tools: KindContext, record: Restoration, victim: Json) -> None:
    """Remove the old volumes of which a copy is in its place, with the old instance."""
    if not disks(victim):
        return
    for ref, aside in _victims(record, owner(tools.api, record.ref.project)):
        if any(_marked(tools.api, (ref,), BY, record.id)):
            custom_volumes.remove(tools.api, aside)
            _drop_marks(tools.api, ref)


def retire(tools: KindContext, record: Restoration) -> None:
    """Remove the old volumes after the new ones have taken their places for good."""
    if disks(record.victim or {}):
        for _, aside in _victims(record, owner(tools.api, record.ref.project)):
            custom_volumes.remove(tools.api, aside)


def _victims(record: Restoration, project: str) -> Iterator[tuple[ResourceRef, ResourceRef]]:
    """Name the volumes of the replaced instance, and what each is called while it waits."""
    for number, device in enumerate(disks(record.victim or {}).values()):
        ref = _ref(project, device)
        yield ref, evolve(ref, name=f"{record.temporary}-{number}-old")


# -- what the server does ---------------------------------------------------------------------------


def _is_fit(api: IncusApi, ref: ResourceRef) -> bool:
    """Whether a volume is, or can become, a dependent one as it is."""
    document = api.get(path(ref), project=ref.project).body
    if document["used_by"] or document["config"].get(FLAG) == "true":
        return True
    return not api.list(path(ref, "snapshots"), project=ref.project, recursion=0)


def _copy_flagged(
    api: IncusApi, ref: ResourceRef, name: str, marks: Json, *, watch: Watch | None = None
) -> None:
    """Copy a volume with its snapshots into one that can become a dependent one."""
    document = api.get(path(ref), project=ref.project).body
    body = {
        "name": name,
        "description": document["description"],
        "content_type": document["content_type"],
        "config": {**document["config"], **marks, FLAG: "true"},
        "source": {
            "type": "copy",
            "name": ref.name,
            "pool": ref.pool,
            "project": ref.project,
            "volume_only": False,
        },
    }
    where = path_of("storage-pools", ref.pool, "volumes", "custom")
    api.create(where, body, project=ref.project, watch=watch)


def _marked(api: IncusApi, refs: tuple[ResourceRef, ...], mark: str, value: str) -> Iterator[ResourceRef]:
    for ref in refs:
        document = custom_volumes.find(api, ref)
        if document is not None and _is_ours(document, mark, value):
            yield ref


def _is_ours(document: Json, mark: str, value: str) -> bool:
    return bool(document["config"].get(MARK + mark) == value)


def _drop_marks(api: IncusApi, ref: ResourceRef) -> None:
    read = api.get(path(ref), project=ref.project)
    config = {key: value for key, value in read.body["config"].items() if not key.startswith(MARK)}
    body = {"config": config, "description": read.body["description"]}
    api.replace(path(ref), body, project=ref.project, etag=read.etag)


def _ref(project: str, device: Json) -> ResourceRef:
    return volume_ref(project, *place_of(device))


def _ready(ref: ResourceRef) -> ResourceRef:
    """Name a new volume that is ready to be swapped in."""
    return evolve(ref, name=ref.name + _READY)
