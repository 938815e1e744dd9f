"""Bring an archive onto the server as a stopped instance in which nothing can clash or start."""

from collections.abc import Callable

from ...model.backups import Manifest
from ...model.documents import Json
from ...model.refs import ResourceRef
from ...model.results import Phased
from ...ports import BackupFiles, KindContext
from ..archive.definitions import NO_NAMES, Names
from ..archive.renaming import is_misread, is_odd, is_pattern, readable, renamed
from ..archive.sparse import Holes
from ..archive.tar import largest, walk
from ..archive.transfer import stored_archive, stored_holes
from ..common.replacement import check_whole
from . import backup_yaml, dependents, lifecycle
from .backup_yaml import Change
from .definition import definition, restored
from .exporting import STEM


def import_archive(
    tools: KindContext,
    manifest: Manifest,
    files: BackupFiles,
    *,
    to: ResourceRef,
    pool: str,
    harmless: Json,
    snapshot_of: Callable[[Json], Json],
    volumes: Change | None = None,
    called: Names = NO_NAMES,
) -> None:
    """Upload under a name that nobody else uses.

    Args:
        harmless: the definition it gets; see ``definition.neutral``.
        snapshot_of: what becomes of the definitions of its snapshots.
        volumes: where those that are part of it go; see ``dependents.to_place``.
        called: snapshots that get another name for now; see ``renaming.readable``.
    """
    rewrites = backup_yaml.rewrites(
        manifest.captured.resource["type"],
        name=to.name,
        changes=(*([volumes] if volumes else []), backup_yaml.to_neutral(harmless, to.name, snapshot_of)),
        snapshots=called,
        checkpoint=tools.checkpoint,
    )
    tools.tell(Phased("uploading"))
    with stored_archive(tools, manifest, files, stem=STEM) as plain:
        archive = walk(
            plain,
            {} if manifest.options.optimized else rewrites,
            holes=_holes(manifest, files),
            most_bytes=largest(manifest.captured.content_bytes),
        )
        tools.api.upload(
            "instances",
            renamed(archive, called),
            headers={"X-Incus-name": to.name, "X-Incus-pool": pool},
            project=to.project,
            watch=lambda words: tools.tell(Phased(f"the server unpacks {words}".rstrip())),
        )
    if manifest.options.optimized:  # its definition is inside of the stream
        imported = lifecycle.find(tools.api, to) or {"config": {}}
        lifecycle.put(tools.api, to, definition(restored(harmless, imported)))
    check_whole(manifest, lifecycle.inspect(tools.api, to), what="the instance", called=called)


def names_on_the_way(manifest: Manifest, *, copied: bool = False) -> Names:
    """What snapshots have to be called for an import; an optimized archive is no tar of their files.

    Those of volumes that are part of it have the same names, and get them back with it.
    """
    if manifest.options.optimized:
        return {}
    unfit = [is_odd if copied else is_misread]
    unfit += [is_pattern] if dependents.disks(manifest.captured.resource) else []
    return readable(manifest.captured.snapshots, lambda name: any(which(name) for which in unfit))


def _holes(manifest: Manifest, files: BackupFiles) -> Holes:
    """Read what shall be sparse again: files of containers only, a disk image is nothing for tar."""
    is_container = manifest.captured.resource["type"] == "container"
    return stored_holes(manifest, files) if is_container else {}
