"""Image definitions: what is compared and put back. Pure.

A definition is a mapping from each project that has the image to what a PUT takes there, with the image's
aliases beside it. The content needs no comparing: the fingerprint is its hash.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...errors import Unplannable
from ...model.documents import Json
from ...model.goals import RestoreOptions
from ...model.inventory import Resource
from ...model.policies import Maps
from ...model.refs import ResourceRef
from ..common.marks import MARK, RUN

IMPORTING = MARK + RUN
"""The property of an image that is being imported: the id of the record that says so."""

NEVER = "0001-01-01T00:00:00Z"
_NEVER_AGAIN = "1970-01-01T00:00:00Z"


def image_ref(fingerprint: str) -> ResourceRef:
    return ResourceRef("image", name=fingerprint)


def grouped(documents: Iterable[Json]) -> dict[ResourceRef, Resource]:
    """Gather the images of all projects by fingerprint; those still being imported are not there yet."""
    found: dict[str, dict[str, Json]] = {}
    for document in documents:
        if not mark(document):
            projects = found.setdefault(str(document["fingerprint"]), {})
            projects[str(document.get("project", "default"))] = document
    return {image_ref(name): _resource(name, projects) for name, projects in sorted(found.items())}


def _resource(fingerprint: str, projects: Mapping[str, Json]) -> Resource:
    ordered = dict(sorted(projects.items()))
    first = next(iter(ordered.values()))
    document: dict[str, Any] = {
        "fingerprint": fingerprint,
        "type": first["type"],
        "size": first["size"],
        "projects": ordered,
    }
    if all(each.get("cached") for each in ordered.values()):
        document["cached"] = True
    return Resource(image_ref(fingerprint), document)


def mark(document: Json) -> str:
    """The record under which an image of one project is being imported; empty when it is not."""
    return str((document.get("properties") or {}).get(IMPORTING, ""))


def comparable(document: Json) -> Json:
    """Take what a person would compare, by project."""
    return {project: definition(each) for project, each in sorted(document.get("projects", {}).items())}


def definition(document: Json) -> dict[str, Any]:
    """Take what can be put back from the document of one project; aliases are name to description."""
    expires = str(document.get("expires_at", NEVER))
    properties = document.get("properties") or {}
    aliases = {str(each["name"]): str(each.get("description", "")) for each in document.get("aliases") or ()}
    return {
        "aliases": dict(sorted(aliases.items())),
        "auto_update": bool(document.get("auto_update")),
        "expires_at": "" if expires in (NEVER, _NEVER_AGAIN) else expires,
        "profiles": list(document.get("profiles") or ()),
        "properties": {key: properties[key] for key in sorted(properties) if key != IMPORTING},
        "public": bool(document.get("public")),
    }


def body(wanted: Json, present: Json, marked: str = "") -> Json:
    """Write a definition as a PUT takes it, its aliases aside.

    The server takes ``NEVER`` for "as it is": where a date is to go, it takes another one long ago.
    """
    marks = {IMPORTING: marked} if marked else {}
    never = _NEVER_AGAIN if definition(present)["expires_at"] else NEVER
    return {
        "auto_update": wanted["auto_update"],
        "expires_at": wanted["expires_at"] or never,
        "profiles": wanted["profiles"],
        "properties": {**wanted["properties"], **marks},
        "public": wanted["public"],
    }


def wanted(document: Json, options: RestoreOptions) -> dict[str, dict[str, Any]]:
    """Tell what a restore would give, by project, maps applied.

    Raises:
        Unplannable: the image was not in the wanted project, or the maps lead two projects into one.
    """
    result: dict[str, dict[str, Any]] = {}
    for project, target in _targets(document, options):
        made = _without(_mapped(definition(document["projects"][project]), options.maps), target, options)
        if result.setdefault(target, made) != made:
            raise Unplannable(
                f"the image {document['fingerprint']} would come into project {target} twice, "
                "with different properties or aliases",
                hint="map the projects to different ones, or restore those of one project only",
            )
    if not result:
        raise Unplannable(f"the image {document['fingerprint']} was not in project {options.project}")
    return dict(sorted(result.items()))


def _without(wanted: Json, project: str, options: RestoreOptions) -> dict[str, Any]:
    """Leave out the aliases that another image has or gets."""
    others = {alias.name for alias in options.without_aliases if alias.project == project}
    return {**wanted, "aliases": {k: v for k, v in wanted["aliases"].items() if k not in others}}


def originals(document: Json, options: RestoreOptions) -> Mapping[str, Json]:
    """By project, the document of what a restore brings there, as it was."""
    return {target: document["projects"][project] for project, target in _targets(document, options)}


def _targets(document: Json, options: RestoreOptions) -> Iterator[tuple[str, str]]:
    """Each wanted project of a backup, and where it goes."""
    for project in sorted(document["projects"]):
        if options.project in ("", project):
            yield project, options.maps.projects.get(project, project)


def _mapped(wanted: Json, maps: Maps) -> dict[str, Any]:
    """Rename the profiles; one can't be there twice."""
    profiles = dict.fromkeys(maps.profiles.get(name, name) for name in wanted["profiles"])
    return {**wanted, "profiles": list(profiles)}


def references(definitions: Json) -> frozenset[ResourceRef]:
    """The projects and profiles that a definition names."""
    projects = {ResourceRef("project", name=project) for project in definitions}
    return frozenset(projects).union(
        ResourceRef("profile", project=project, name=name)
        for project, each in definitions.items()
        for name in each["profiles"]
    )
