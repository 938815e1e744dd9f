"""Bring an image back into the projects it was in.

Where it is missing, it is imported under a journal record and with a mark, and loses both when it is whole
in all of these projects: until then it is undone, and nobody takes it for a restored one. Where it is
there already, only its definition changes; content with the same fingerprint is the same.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any
from urllib.parse import urlencode

from ...errors import ChangedMeanwhile, Conflict, Corrupt, IncusbakError, NotFound, ServerError
from ...model.backups import Manifest
from ...model.documents import Json
from ...model.goals import RestoreOptions
from ...model.inventory import Resource
from ...model.records import ImageImport
from ...model.refs import ResourceRef
from ...model.results import Phased, StepResult
from ...ports import ALL_PROJECTS, BackupFiles, KindContext
from ..archive.transfer import counted
from ..common.cleanup import begun, undo_after, watch
from ..common.replacement import retire
from . import shelf
from .definition import IMPORTING, comparable, grouped, mark, originals, wanted
from .formats import METADATA, ROOTFS, UNIFIED, Part, multipart
from .recovering import complete, recover

Definitions = Mapping[str, Mapping[str, Any]]


def restore(
    tools: KindContext,
    manifest: Manifest,
    files: BackupFiles,
    *,
    to: ResourceRef,
    options: RestoreOptions,
    current: Resource | None,
) -> StepResult:
    """Import what is missing, change what is there; see ``ports.Kind.restore``.

    Aliases that another image gives up come last, once nothing is undone any more: each changes hands in one
    step, so that it is never nobody's.
    """
    final = wanted(manifest.captured.resource, options)
    definitions = _without_taken(final, options)
    before = _check(tools, to, definitions, current)
    missing = tuple(project for project in definitions if project not in before)
    record = ImageImport(secrets.token_hex(6), to, missing)
    if missing:
        tools.journal.write(record)
    try:
        for project in missing:
            original = originals(manifest.captured.resource, options)[project]
            _upload(tools, manifest, files, record, original=original, project=project)
            shelf.change(tools.api, to.name, project, definitions[project], marked=record.id)
        with _redefined(tools, to.name, definitions, before):
            if missing:
                record = complete(tools, record)
    except BaseException as error:
        undo_after(tools, error, partial(recover, tools, record))
        raise
    if missing:
        retire(tools, record, recover)
    for alias in options.takes_aliases:
        description = final[alias.project]["aliases"][alias.name]
        with begun():
            shelf.take_alias(tools.api, to.name, alias.project, alias.name, description)
    return StepResult(identity=to.name, size_bytes=manifest.size_bytes)


def _without_taken(definitions: Definitions, options: RestoreOptions) -> Definitions:
    """What there is until other images give their aliases up."""
    taken = {(alias.project, alias.name) for alias in options.takes_aliases}
    return {
        project: {
            **each,
            "aliases": {name: text for name, text in each["aliases"].items() if (project, name) not in taken},
        }
        for project, each in definitions.items()
    }


@contextmanager
def _redefined(
    tools: KindContext, fingerprint: str, definitions: Definitions, before: Definitions
) -> Iterator[None]:
    """Change the definition where the image was before; put it back if that or what follows fails."""
    changed: list[str] = []
    try:
        for project in sorted(definitions.keys() & before.keys()):
            shelf.require(tools.api, fingerprint, project, before[project])
            changed.append(project)
            shelf.change(tools.api, fingerprint, project, definitions[project])
        yield
    except BaseException as error:
        back = [_put_back(tools, fingerprint, project, before[project], error) for project in changed]
        with nullcontext() if all(back) else begun():
            raise


def _put_back(tools: KindContext, fingerprint: str, project: str, before: Json, error: BaseException) -> bool:
    """Give it the definition that it had, and tell whether it has it."""
    try:
        shelf.change(tools.api, fingerprint, project, before)
    except IncusbakError as second:
        if isinstance(error, IncusbakError):
            error.add_note(f"putting it back in project {project} failed as well ({second.message})")
        return False
    return True


# -- before anything is written ---------------------------------------------------------------------


def _check(
    tools: KindContext, to: ResourceRef, definitions: Definitions, current: Resource | None
) -> Definitions:
    """See that nothing is in the way; return the definitions of the image where it is now."""
    there = tools.api.list("images", project=ALL_PROJECTS)
    found = grouped(there).get(to)
    before = comparable(found.document) if found else {}
    if before != (comparable(current.document) if current else {}):
        raise ChangedMeanwhile(f"{to} was changed since the plan was made")
    _check_projects(tools.api.list("projects"), definitions)
    problems = [*_taken_aliases(there, to, definitions), *_strangers(there, to, definitions)]
    if problems:
        raise Conflict("\n".join(problems), hint="remove what is in the way, then try again")
    return before


def _check_projects(documents: Sequence[Json], definitions: Definitions) -> None:
    """Refuse a project that keeps its images elsewhere: what is meant for it would change others' images."""
    features = {str(each["name"]): (each.get("config") or {}).get("features.images") for each in documents}
    for project in definitions:
        if project not in features:
            raise NotFound(f"project {project} is not there")
        if project != "default" and features[project] != "true":
            raise Conflict(
                f"project {project} has no images of its own, it uses those of project default",
                hint=f"restore into that one with --project-map {project}=default",
            )


def _taken_aliases(there: Sequence[Json], to: ResourceRef, definitions: Definitions) -> Iterator[str]:
    for document in there:
        project = str(document.get("project", "default"))
        if document["fingerprint"] != to.name and project in definitions:
            names = {str(alias["name"]) for alias in document.get("aliases") or ()}
            for name in sorted(names & definitions[project]["aliases"].keys()):
                other = document["fingerprint"]
                yield f"the alias {name} in project {project} points to another image, {other}"


def _strangers(there: Sequence[Json], to: ResourceRef, definitions: Definitions) -> Iterator[str]:
    """What another run imports, or one whose record is lost has left."""
    for document in there:
        project = str(document.get("project", "default"))
        if document["fingerprint"] == to.name and project in definitions and mark(document):
            yield (
                f"another run is importing {to} into project {project}; if there is none any more, use "
                f"`incus image delete {to.name} --project {project}`"
            )


# -- content ----------------------------------------------------------------------------------------


def _upload(
    tools: KindContext,
    manifest: Manifest,
    files: BackupFiles,
    record: ImageImport,
    *,
    original: Json,
    project: str,
) -> None:
    """Bring the content into a project, marked."""
    tools.tell(Phased("uploading"))
    fingerprint = record.ref.name
    headers = {"X-Incus-fingerprint": fingerprint, "X-Incus-properties": urlencode({IMPORTING: record.id})}
    with ExitStack() as opened:
        stored = [counted(tools, opened.enter_context(files.open(name))) for name in _names(manifest)]
        more, chunks = _body(stored, original)
        answer = tools.api.upload(
            "images",
            chunks,
            headers={**headers, **more},
            project=project,
            watch=watch(tools, "the server takes it in"),
        )
    if (answer.get("metadata") or {}).get("fingerprint") != fingerprint:
        raise ServerError(f"the server imported something else than {manifest.id}")


def _names(manifest: Manifest) -> tuple[str, ...]:
    """Name the files of a backup: the image, or metadata and root disk."""
    by_base = {stored.name.split(".")[0]: stored.name for stored in manifest.files}
    for bases in ((UNIFIED,), (METADATA, ROOTFS)):
        if by_base.keys() == set(bases):
            return tuple(by_base[base] for base in bases)
    raise Corrupt(f"{manifest.id} holds neither one image nor metadata and root disk")


def _body(stored: Sequence[Iterator[bytes]], original: Json) -> tuple[Mapping[str, str], Iterator[bytes]]:
    """Return the headers that the files need and the body they make, named as the original was."""
    filename = str(original.get("filename", ""))
    if not filename.isascii() or not filename.isprintable() or set(filename) & set('"\\/'):
        filename = ""  # no header could say it
    if len(stored) == 1:
        return {"X-Incus-filename": filename}, stored[0]
    field = ROOTFS + (".img" if original["type"] == "virtual-machine" else "")
    parts = (Part(METADATA, METADATA, stored[0]), Part(field, filename or field, stored[1]))
    content_type, chunks = multipart(parts)
    return {"Content-Type": content_type}, chunks
