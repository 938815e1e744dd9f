"""The policy language as a JSON Schema (draft 7): for editors, and for checks without this program.

Made from the tables of ``language`` that the reader uses too, so each key has its meaning. It refuses what is
wrong by its form; time zones, repeated names and what ``${NAME}`` stands for are left to the reader.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ..model.backups import Compression, ExportWishes
from ..model.policies import Expect, Hooks, Identity, IfPresent, Images, Permission, Select, Severity, Volumes
from . import language

Schema = dict[str, Any]

# Each begins at the start of the text. They are read by JavaScript as well: no named groups, no \d, no \Z.
_TEXT = r"^(?=.*\S)(?!.*[\x00-\x1f\x7f-\x9f])"
_GLOB = _TEXT + r"(?:[^\[]|\[(?:!.|[^!])[^\]]*\])*$"
_GLOB_OR_EXCLUSION = r"^(?!!$)" + _GLOB.removeprefix("^")
_NAME = _TEXT + r"(?!\.)[^/]+$"
_VARIABLE_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
_TARGET = f"{_TEXT}({'|'.join(language.BACKENDS)}):."
_TARGET_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$"
_DURATION = r"^(?=.*[1-9])" + "".join(rf"([0-9]{{1,5}}{unit})?" for unit in "wdhms") + "$"
_PERCENTAGE = r"^(0?[0-9]{1,2}|100)%$"
_TIMESTAMP = r"^[0-9]{8}T[0-9]{6}Z$"
_MOMENT = (
    r"^[0-9]{4}-?([0-9]{2}-?[0-9]{2}|W[0-9]{2}(-?[1-7])?)"  # the date
    r".[0-9]{2}[0-9:.,]*(Z|[+-][0-9]{2}[0-9:.]*)$"  # the time and its zone
)
_LARGEST_COUNT = 999_999_999
_SPOKEN = (
    r"^(?=("
    r"[^$]|\$(?!\$?\{)"  # what is no reference
    r"|\$\$\{[^}]*(\}|$)"  # what means these characters
    r"|\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}"
    r")*$)"
)
"""Each ``${`` begins a reference to a variable, or is escaped."""
_REFERENCE = rf"{_SPOKEN}[\s\S]*\$\{{"


def policy_schema() -> Schema:
    """Describe what a policy file may hold."""
    described = _mapping(
        language.POLICY,
        {
            "version": {"const": 1},
            "name": _text(),
            "target": _text(_TARGET),
            "targets": _targets(),
            "timezone": _text(default="UTC"),
            "vars": _table(_VARIABLE_NAME, _text()),
            "sensitive": _list(_text(_GLOB)),
            "defaults": _mapping(language.SETTINGS, _settings()),
            "protect": _list(_protect(), at_least=0),
            "restore": _list(_restore(), at_least=0),
            "maps": _mapping(language.MAPS, {key: _table(_NAME, _text(_NAME)) for key in language.MAPS}),
            "guards": _mapping(language.GUARDS, {key: _text(_PERCENTAGE) for key in language.GUARDS}),
            "expect": _mapping(
                language.EXPECT,
                {key: _choice(Severity, default=getattr(Expect(), key)) for key in language.EXPECT},
            ),
        },
        required=["version"],
    )
    one_or_several = {"not": {"required": ["target", "targets"]}}
    title = "Policy of incus-backup, version 1"
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": title,
        **described,
        **one_or_several,
    }


def _targets() -> Schema:
    uri = _text(_TARGET)
    target = _mapping(language.TARGET, {"uri": uri, "keep": _keep()}, required=["uri"])
    return {**_table(_TARGET_NAME, {"anyOf": [uri, target]}), "minProperties": 1}


def _protect() -> Schema:
    forms = {"name": _text(), "select": _select(), **_settings()}
    return _mapping(language.PROTECT, forms, required=["name", "select"])


def _settings() -> Mapping[str, Schema]:
    every = _mapping(language.VERIFY, {"every": _text(_DURATION)}, required=["every"])
    return {
        "backup": _backup(),
        "keep": _keep(),
        "verify": every,
        "rehearse": _mapping(
            language.REHEARSE,
            {
                "every": _text(_DURATION),
                "probe": _commands(),
                "timeout": _text(_DURATION, default=f"{Hooks().timeout_seconds // 60}m"),
            },
            required=["every"],
        ),
        "instances_may": _list(_choice(Permission)),
        "targets": {**_list(_text(_TARGET_NAME)), "uniqueItems": True},
    }


def _keep() -> Schema:
    count = {"anyOf": [{"type": "integer", "minimum": 1, "maximum": _LARGEST_COUNT}, _reference()]}
    always = {"anyOf": [{"const": True}, _reference()]}
    special = {"within": _text(_DURATION), "all": always}
    described = _mapping(language.KEEP, {key: special.get(key, count) for key in language.KEEP})
    return {**described, "minProperties": 1}


def _backup() -> Schema:
    usual = ExportWishes()
    return _mapping(
        language.BACKUP,
        {
            "every": _text(_DURATION),
            "snapshot": _boolean(default=usual.snapshot),
            "optimized": _boolean(default=usual.optimized),
            "compression": _choice(Compression),
            "images": _choice(Images, default=Images.REFERENCED),
            "attached_volumes": _boolean(default=True),
            "before": _commands(),
            "after": _commands(),
            "timeout": _text(_DURATION, default=f"{Hooks().timeout_seconds // 60}m"),
        },
    )


def _select() -> Schema:
    usual = Select()
    globs = _list(_text(_GLOB_OR_EXCLUSION))
    return _mapping(
        language.SELECT,
        {
            "kind": {"anyOf": [*_alternatives(language.KINDS), _list(_choice(language.KINDS))]},
            "projects": {**globs, "default": list(usual.projects)},
            "names": {**globs, "default": list(usual.names)},
            "where": _table(_TEXT, _text(_GLOB)),
        },
        required=["kind"],
    )


def _restore() -> Schema:
    before = _mapping(language.VERSION, {"before": _text(_MOMENT)}, required=["before"])
    return _mapping(
        language.RESTORE,
        {
            "name": _text(),
            "select": _select(),
            "from": _text(_TARGET_NAME),
            "version": {"anyOf": [{"enum": ["latest"]}, _text(_TIMESTAMP), before], "default": "latest"},
            "to": _mapping(language.TO, {key: _text(_NAME) for key in language.TO}),
            "if_present": _choice(IfPresent, default=IfPresent.FAIL),
            "identity": _choice([Identity.PRESERVE, Identity.REGENERATE]),
            "volumes": _choice(Volumes, default=Volumes.MISSING),
            "without_devices": _list(_text(_NAME)),
        },
        required=["name", "select"],
    )


def _mapping(
    meanings: Mapping[str, str], forms: Mapping[str, Schema], *, required: Iterable[str] = ()
) -> Schema:
    """Describe a mapping with the keys of a table of the language, and no others."""
    assert forms.keys() == meanings.keys(), (
        f"without form or meaning: {sorted(forms.keys() ^ meanings.keys())}"
    )
    keys = {key: {"description": meaning, **forms[key]} for key, meaning in meanings.items()}
    demand = {"required": list(required)} if required else {}
    return {"type": "object", "properties": keys, **demand, "additionalProperties": False}


def _table(keys: str, value: Schema) -> Schema:
    """Describe a mapping whose keys the user chooses; ``${NAME}`` means nothing in them."""
    return {"type": "object", "patternProperties": {keys: value}, "additionalProperties": False}


def _list(item: Schema, *, at_least: int = 1) -> Schema:
    return {"type": "array", "items": item, **({"minItems": at_least} if at_least else {})}


def _text(pattern: str = _TEXT, **more: Any) -> Schema:
    """Describe text of some form, or with a reference to a variable in it."""
    form = rf"{_SPOKEN}({pattern.removeprefix('^')}|[\s\S]*\$\{{)"
    return {"type": "string", "pattern": form, **more}


def _choice(values: Iterable[str], **more: Any) -> Schema:
    return {"anyOf": _alternatives(values), **more}


def _alternatives(values: Iterable[str]) -> list[Schema]:
    return [{"enum": [str(value) for value in values]}, _reference()]


def _boolean(**more: Any) -> Schema:
    return {"anyOf": [{"type": "boolean"}, _reference()], **more}


def _reference() -> Schema:
    return {"type": "string", "pattern": _REFERENCE}


def _commands() -> Schema:
    """Describe commands, each the list of its words; they have variables of their own."""
    program = {"type": "string", "pattern": r"\S"}
    command = {"type": "array", "items": [program], "additionalItems": {"type": "string"}, "minItems": 1}
    return _list(command, at_least=0)
