"""The policy language, version 1, as far as this version carries it out: one function per mapping."""

from datetime import timedelta

from attrs import field, frozen

from ..model.backups import Compression, ExportOptions
from ..model.policies import (
    Destination,
    Identity,
    IfPresent,
    Images,
    Latest,
    Place,
    ProtectRule,
    RestoreRule,
    Select,
    Version,
)
from . import values
from .fields import Fields, fields_of
from .nodes import Mapping, Node, Scalar
from .problems import Bad, Problems, did_you_mean, shown

KINDS = ("instance", "volume", "image", "config")
MAPS = ("pools", "networks", "projects", "profiles")

TOP = ("version", "name", "target", "timezone", "defaults", "protect", "restore", "maps")
PROTECT = ("name", "select", "backup")
LATER_SETTINGS = ("keep", "verify", "rehearse")
BACKUP = ("every", "snapshot", "optimized", "compression", "images", "attached_volumes")
LATER_BACKUP = ("before", "after")
RESTORE = ("name", "select", "version", "to", "if_present", "identity")
SELECT = ("kind", "projects", "names", "where")


@frozen
class Draft:
    """One file as read; ``target`` and the entries of ``maps`` keep their places for merging.

    ``maps``: (map, old name, new name, place).
    """

    target: tuple[str, Place] | None = None
    protect: tuple[ProtectRule, ...] = ()
    restore: tuple[RestoreRule, ...] = ()
    maps: tuple[tuple[str, str, str, Place], ...] = ()


@frozen
class _Backup:
    every: timedelta | None = None
    options: ExportOptions = field(factory=ExportOptions)
    images: Images = Images.REFERENCED
    attached_volumes: bool = True


def read_policy(root: Node, problems: Problems) -> Draft:
    """Read a whole file; what is wrong is added to ``problems`` and left out."""
    top = fields_of(root, problems, known=TOP, later=("guards",))
    if isinstance(root, Mapping):
        top.require("version", values.version_one, 1)
    top.get("name", values.text, "")
    top.get("timezone", values.timezone, "UTC")  # checked, not kept: only retention reads a calendar
    target = top.get("target", values.target, "")
    defaults = top.section("defaults", ("backup",), later=LATER_SETTINGS)
    backup = _read_backup(defaults, _Backup())
    return Draft(
        target=(target, top.nodes["target"].place) if target else None,
        protect=tuple(_read_protect(node, problems, backup) for node in top.items("protect")),
        restore=tuple(_read_restore(node, problems) for node in top.items("restore")),
        maps=_read_maps(top.section("maps", MAPS)),
    )


def _read_protect(node: Node, problems: Problems, defaults: _Backup) -> ProtectRule:
    rule = fields_of(node, problems, known=PROTECT, later=LATER_SETTINGS)
    backup = _read_backup(rule, defaults)
    return ProtectRule(
        name=_read_name(rule),
        select=_read_select(rule),
        options=backup.options,
        place=node.place,
        every=backup.every,
        images=backup.images,
        attached_volumes=backup.attached_volumes,
    )


def _read_backup(parent: Fields, defaults: _Backup) -> _Backup:
    backup = parent.section("backup", BACKUP, later=LATER_BACKUP)
    usual = defaults.options
    return _Backup(
        every=backup.get("every", values.duration, defaults.every),
        options=ExportOptions(
            snapshot=backup.get("snapshot", values.boolean, usual.snapshot),
            optimized=backup.get("optimized", values.boolean, usual.optimized),
            compression=backup.get("compression", values.one_of(Compression), usual.compression),
        ),
        images=backup.get("images", values.one_of(Images), defaults.images),
        attached_volumes=backup.get("attached_volumes", values.boolean, defaults.attached_volumes),
    )


def _read_restore(node: Node, problems: Problems) -> RestoreRule:
    rule = fields_of(node, problems, known=RESTORE)
    to = rule.section("to", ("name", "project", "pool"))
    identities = values.one_of(Identity, allowed=(Identity.PRESERVE, Identity.REGENERATE))
    return RestoreRule(
        name=_read_name(rule),
        select=_read_select(rule, later=("where",)),
        place=node.place,
        version=rule.get("version", _read_version, Latest()),
        to=Destination(**{part: to.get(part, values.safe_name, "") for part in ("name", "project", "pool")}),
        if_present=rule.get("if_present", values.one_of(IfPresent), IfPresent.FAIL),
        identity=rule.get("identity", identities, Identity.AUTO),
    )


def _read_name(rule: Fields) -> str:
    return rule.require("name", values.text, "") if rule.nodes else ""


def _read_select(rule: Fields, *, later: tuple[str, ...] = ()) -> Select:
    if not rule.nodes:
        return Select()  # not a mapping at all: that is problem enough
    if "select" not in rule.nodes:
        rule.problems.add(rule.place, "the key `select` is missing")
        return Select()
    select = rule.section("select", [key for key in SELECT if key not in later], later=later)
    usual = Select()
    if not isinstance(rule.nodes["select"], Mapping):
        return usual
    where = select.get("where", values.table_of(values.text, values.glob), ())
    return Select(
        kinds=select.require("kind", _read_kinds, usual.kinds),
        projects=select.get("projects", values.list_of(values.glob_or_exclusion), usual.projects),
        names=select.get("names", values.list_of(values.glob_or_exclusion), usual.names),
        where={key: pattern for key, pattern, _ in where},
    )


def _read_kinds(node: Node) -> tuple[str, ...]:
    if isinstance(node, Scalar):
        return (_read_kind(node),)
    return tuple(dict.fromkeys(values.list_of(_read_kind)(node)))


def _read_kind(node: Node) -> str:
    kind = values.text(node)
    if kind not in KINDS:
        near = did_you_mean(kind, KINDS)
        raise Bad((node.place, f"unknown kind {shown(kind)} (known: {', '.join(KINDS)}){near}"))
    return kind


def _read_version(node: Node) -> Version:
    if isinstance(node, Scalar):
        return Latest() if node.text == "latest" else values.timestamp(node)
    problems = Problems()
    fields = fields_of(node, problems, known=("before",))
    if isinstance(node, Mapping):
        latest = Latest(fields.require("before", values.moment, None))
    if problems.found:
        raise Bad(*((Place(file, line, column), text) for file, line, column, text in problems.found))
    return latest


def _read_maps(maps: Fields) -> tuple[tuple[str, str, str, Place], ...]:
    read = values.table_of(values.safe_name, values.safe_name)
    return tuple((name, old, new, place) for name in MAPS for old, new, place in maps.get(name, read, ()))
