"""Plan files as a JSON Schema (draft 7), made from the model's classes by the conventions of ``codec``."""

import inspect
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, get_args, get_origin

import attrs

from .codec import tag_of, to_data
from .model.plans import PlanFile
from .model.refs import SHAPES, BackupId, ResourceRef

Schema = dict[str, Any]

_SIMPLE: dict[Any, Schema] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    type(None): {"type": "null"},
    Any: {},
}


_PART = r"(?!\.{1,2}(/|$|@[0-9]{8}T))[^/]+"


def _addresses() -> str:
    """Write the form of addresses as a regular expression that JavaScript reads too."""
    kinds = {
        len(shape): [k for k, other in SHAPES.items() if len(other) == len(shape)]
        for shape in SHAPES.values()
    }
    return "|".join(f"({'|'.join(names)})(/{_PART}){{{parts}}}" for parts, names in sorted(kinds.items()))


_TEXTS: dict[type, Schema] = {
    ResourceRef: {
        "description": "Address of a resource, such as instance/PROJECT/NAME.",
        "type": "string",
        "pattern": f"^({_addresses()})$",
    },
    BackupId: {
        "description": "Address of a backup: that of its resource, @, and its time.",
        "type": "string",
        "pattern": f"^({_addresses()})@[0-9]{{8}}T[0-9]{{6}}Z$",
    },
}
"""Classes that are written as text."""
MEANINGS = {
    "PlanFile.digest": "SHA-256 of `plan` as canonical JSON; what an approval names.",
    "PlanFile.format_version": "Version of the form of plan files.",
    "PlanFile.meta": "What is outside of the digest.",
    "PlanFile.plan": "What is reviewed, approved and carried out.",
    "Meta.created": "When the plan was made.",
    "Meta.tool_version": "Version of incus-backup that made it.",
    "Plan.blocks": "What a guard forbids, in words; the plan is carried out only if that is overruled.",
    "Plan.covered": "How many resources it was looked at whether something is to be done about them.",
    "Plan.unmet": "What is not as the policy expects, in words; it keeps no step from being carried out.",
    "Plan.drift": "How things are not as the policy says, apart from what is to be restored.",
    "Plan.missed": "What was asked for and can't be done, whatever the steps come to.",
    "Missed.address": "Address of what was asked for.",
    "Missed.reason": "Why no step does it, in words.",
    "Missed.hint": "What to do about it.",
    "Missed.damaged": "Whether the reason is that stored backups are not as they were written.",
    "Plan.policies": "The policy files it was made from.",
    "Plan.repository": "Where backups are kept.",
    "Plan.server": "The server it is for.",
    "Plan.steps": "What will be done, in an order in which it may be.",
    "Plan.summary": "How many steps there are of each sort.",
    "Plan.warnings": "What a reviewer should know.",
    "ServerIdentity.fingerprint": "SHA-256 of the server's certificate.",
    "ServerIdentity.name": "The server's name.",
    "ServerIdentity.remote": "The remote or URL it was reached by.",
    "RepositoryIdentity.id": "The repository's id; empty while it is not there yet: the apply makes it.",
    "RepositoryIdentity.uri": "Where it is, such as dir:/srv/incus-backups.",
    "PolicyFile.path": "Path of the file, as it was given.",
    "PolicyFile.sha256": "SHA-256 of the file's bytes.",
    "Drift.damaged": "Addresses of resources whose newest backup is known to be damaged.",
    "Drift.opted_out": "Addresses of resources that no rule covers since their own configuration says so.",
    "Drift.overdue": "Addresses of resources whose newest backup is older than promised.",
    "Drift.reconfigured": "Addresses of entities of the configuration that are not as in its last backup.",
    "Drift.unmatched": "Rules that match nothing.",
    "Drift.unprotected": "Addresses of resources that no rule covers.",
    "Summary.backup": "Backups made.",
    "Summary.clean_up": "Leftovers finished, undone or removed.",
    "Summary.copy": "Resources of which backups are copied.",
    "Summary.create": "Entities of the configuration made.",
    "Summary.delete": "Entities of the configuration deleted.",
    "Summary.replace": "Resources replaced by a backup.",
    "Summary.restore": "Resources restored that are not there.",
    "Summary.update": "Entities of the configuration changed.",
    "Summary.mark": "Backups pinned, unpinned or taken back.",
    "Summary.prune": "Resources of which backups are removed.",
    "Summary.rehearse": "Backups brought up aside.",
    "Verify.whole": "Whether all of it is read, or only manifests and the beginnings of files.",
    "Rehearse.backup": "Null: the one that this plan makes before.",
    "Rehearse.probe": "Commands that must succeed inside, each the list of its words.",
    "Rehearse.timeout_seconds": "How long after the start they may go on failing.",
    "Summary.verify": "Resources whose backups are read again.",
    "Kept.reasons": "The rules that want it.",
    "Pin.pinned": "Whether it is to be kept whatever the rules say.",
    "Prune.keep": "The backups that stay.",
    "HasBackups.sound": "Those of them that must not be known to be damaged, as ADDRESS@TIMESTAMP.",
    "Step.action": "What the step does.",
    "Step.address": "Address of what it is about.",
    "Step.after": "Ids of earlier steps that must have been carried out.",
    "Step.basis": "From what the size is known.",
    "Step.changes": "What would change, field by field.",
    "Step.estimated_bytes": "How much will be moved; null when nothing is known about it.",
    "Step.expects": "What must still be true right before the step, else the plan is stale.",
    "Step.hazards": "How it can hurt.",
    "Step.holds": "Addresses of other resources that are paused, stopped or changed on the way, and of a "
    "project with limits, where there may be room for one restore at a time.",
    "Step.id": "Names the step within the plan.",
    "Step.passed_over": "Newer backups that are known to be damaged and so not taken, as ADDRESS@TIMESTAMP.",
    "Step.reason": "Why, in words.",
    "Step.stays": "Volumes that a restored instance is attached to and that are left as they are.",
    "Stay.backup": "What would be taken in its place, as ADDRESS@TIMESTAMP; null: there is none that fits.",
    "Stay.ref": "Address of the volume.",
    "Change.after": "The value as it will be; null: not there.",
    "Change.before": "The value as it is; null: not there.",
    "Change.path": "Which field.",
    "ExportOptions.compression": "How the archive is stored.",
    "ExportOptions.optimized": "Whether it is in the storage driver's own format.",
    "ExportOptions.snapshot": "Whether it shows one point in time, not the moving resource.",
    "RestoreOptions.takes_aliases": "Aliases that another one has and gives up once this one is whole.",
    "RestoreOptions.without_devices": "Devices of an instance that are left out.",
    "RestoreOptions.without_aliases": "Aliases that it had and does not get: another one has or gets them.",
    "Alias.name": "The alias.",
    "Alias.project": "Its project.",
    "RestoreOptions.identity": "Whether uuid, MAC addresses and cloud-init id are kept.",
    "RestoreOptions.maps": "Other names for what the resource refers to.",
    "RestoreOptions.pool": "The storage pool to restore it on; empty: the original's, mapped.",
    "RestoreOptions.project": "Of what was in several projects, only what was in this one; empty: all.",
    "RestoreOptions.start": "Whether it shall run again, if it ran.",
    "Maps.networks": "Networks: old name to new name.",
    "Maps.pools": "Storage pools: old name to new name.",
    "Maps.profiles": "Profiles: old name to new name.",
    "Maps.projects": "Projects: old name to new name.",
    "Hooks.after": "Commands run once `before` has begun, whatever comes of it.",
    "Hooks.before": "Commands run before the content is captured, each the list of its words.",
    "Hooks.timeout_seconds": "How long each command may take.",
    "Unchanged.etag": "The ETag it was seen under.",
    "Unchanged.generation": "The generation of its content.",
    "Unchanged.snapshots": "Names of its snapshots.",
    "Unchanged.stops": "Addresses of what has to be stopped before it can be replaced.",
    "HasManifest.sha256": "SHA-256 of the manifest's bytes.",
    "Copy.source": "The repository they are copied from.",
    "HasCopies.source": "The other repository.",
    "backups": "The backups, as ADDRESS@TIMESTAMP.",
    "backup": "The backup, as ADDRESS@TIMESTAMP.",
    "full_bytes": "What the last full backup holds, without snapshots: next to nothing of that is suspect.",
    "hooks": "Commands run inside of the instance.",
    "identity": "Its volatile.uuid.",
    "options": "How it is done.",
    "record": "Id of a record in the journal.",
    "ref": "Address of the resource.",
    "source": "The backup it is brought back from, as ADDRESS@TIMESTAMP.",
    "to": "Address it is brought back under.",
}
"""What fields mean: of one class, or of all that have one of this name."""


def plan_schema() -> Schema:
    """Describe what a plan file may hold."""
    walker = _Walker()
    described = walker.of_class(PlanFile)
    described["properties"]["format_version"]["const"] = attrs.fields(PlanFile).format_version.default
    described["required"].append("format_version")  # it tells readers of other versions to stop
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Plan file of incus-backup, format version 1",
        **described,
        "definitions": walker.definitions,
    }


@attrs.define
class _Walker:
    """Turn types into schemas; those of classes are gathered as ``definitions``."""

    definitions: dict[str, Schema] = attrs.field(factory=dict)

    def schema(self, wanted: Any) -> Schema:
        if wanted in _SIMPLE:
            return _SIMPLE[wanted]
        inner = get_args(wanted)
        if get_origin(wanted) is tuple:
            return {"type": "array", "items": self.schema(inner[0])}
        if get_origin(wanted) is Mapping:
            return {"type": "object", "additionalProperties": self.schema(inner[1])}
        if inner:
            describe = self.schema if type(None) in inner else self._tagged
            return {"anyOf": [describe(each) for each in inner]}
        if issubclass(wanted, StrEnum):
            return {"description": _explained(wanted), "enum": [member.value for member in wanted]}
        return self._reference(wanted, _TEXTS.get(wanted) or self.of_class(wanted))

    def of_class(self, cls: type) -> Schema:
        """Describe a class: its fields and no others, required where they have no default."""
        fields = attrs.fields(cls)
        return {
            "description": _explained(cls),
            "type": "object",
            "properties": {field.name: self._property(cls, field) for field in fields},
            "required": [field.name for field in fields if field.default is attrs.NOTHING],
            "additionalProperties": False,
        }

    def _property(self, cls: type, field: "attrs.Attribute[Any]") -> Schema:
        meaning = MEANINGS.get(f"{cls.__name__}.{field.name}") or MEANINGS[field.name]
        schema = self.schema(field.type)
        if "$ref" in schema:
            schema = {"allOf": [schema]}  # what stands beside a reference is passed over
        default = getattr(field.default, "factory", lambda: field.default)()
        usual = {} if default is attrs.NOTHING else {"default": to_data(default)}
        return {**schema, "description": meaning, **usual}

    def _tagged(self, cls: type) -> Schema:
        """Describe one class of a union, which is known by its tag."""
        tagged = self.of_class(cls)
        tagged["properties"]["type"] = {"description": "Which of the kinds this is.", "const": tag_of(cls)}
        tagged["required"].append("type")
        return self._reference(cls, tagged)

    def _reference(self, cls: type, schema: Schema) -> Schema:
        self.definitions[cls.__name__] = schema
        return {"$ref": f"#/definitions/{cls.__name__}"}


def _explained(cls: type) -> str:
    return " ".join((inspect.getdoc(cls) or "").replace("``", "`").split())
