"""Read the policy language, version 1, as far as this version carries it out: one function per mapping."""

from collections.abc import Callable
from datetime import timedelta

from attrs import field, frozen

from ..model.backups import Compression, ExportWishes
from ..model.policies import (
    Destination,
    Hooks,
    Identity,
    IfPresent,
    Images,
    Keep,
    Latest,
    Permission,
    Place,
    ProtectRule,
    Rehearsing,
    RestoreRule,
    Select,
    Severity,
    Target,
    Version,
    Volumes,
)
from . import language, values
from .care import read_rehearse, read_timeout, read_verify, read_whole_keep
from .commands import commands
from .fields import Fields, fields_of
from .nodes import Mapping, Node, Scalar
from .problems import Bad, Problems, did_you_mean, shown
from .targets import Places, named_in, places_below, read_target_names, read_targets, target_name
from .variables import VARS


@frozen
class Draft:
    """One file as read; what holds for all files keeps its place for merging.

    ``settings``: (name, value, place). ``maps``: (map, old name, new name, place). ``named``: the targets
    that rules and ``defaults`` name.
    """

    settings: tuple[tuple[str, str, Place], ...] = ()
    protect: tuple[ProtectRule, ...] = ()
    restore: tuple[RestoreRule, ...] = ()
    maps: tuple[tuple[str, str, str, Place], ...] = ()
    sensitive: tuple[str, ...] = ()
    targets: tuple[Target, ...] = ()
    named: tuple[tuple[str, Place], ...] = ()


@frozen
class _Backup:
    every: timedelta | None = None
    options: ExportWishes = field(factory=ExportWishes)
    images: Images = Images.REFERENCED
    attached_volumes: bool = True
    hooks: Hooks = field(factory=Hooks)


@frozen
class _Settings:
    """What stands in ``defaults`` or in a rule, with the place of each setting."""

    backup: _Backup = field(factory=_Backup)
    keep: Keep | None = None
    verify_every: timedelta | None = None
    rehearse: Rehearsing | None = None
    instances_may: tuple[Permission, ...] = ()
    targets: tuple[str, ...] = ()
    places: Places = field(factory=dict)


def read_policy(root: Node, problems: Problems) -> Draft:
    """Read a whole file; what is wrong is added to ``problems`` and left out."""
    top = fields_of(root, problems, known=language.POLICY)
    if isinstance(root, Mapping):
        top.require("version", values.version_one, 1)
    top.get("name", values.text, "")
    defaults = top.section("defaults", language.SETTINGS)
    usual = _read_settings(defaults, _Settings())
    protect = tuple(_read_protect(node, problems, usual) for node in top.items("protect"))
    restore = tuple(_read_restore(node, problems) for node in top.items("restore"))
    return Draft(
        settings=(
            *_read_once(top, "target", values.target),
            *_read_once(top, "timezone", values.timezone),
            *_read_guards(top),
            *_read_expect(top),
        ),
        protect=protect,
        restore=restore,
        maps=_read_maps(top.section("maps", language.MAPS)),
        sensitive=top.get("sensitive", values.list_of(values.glob), ()),
        targets=read_targets(top),
        named=(
            *named_in(usual.places),
            *(named for rule in protect for named in named_in(rule.places)),
            *((rule.from_target, rule.places["from"]) for rule in restore if rule.from_target),
        ),
    )


def read_vars(root: Node, problems: Problems) -> tuple[tuple[str, Scalar], ...]:
    """Read what a file defines for ``${NAME}``, before anything else of it is."""
    defined = (
        next((v for k, v in root.items if isinstance(k, Scalar) and k.text == VARS), None)
        if isinstance(root, Mapping)
        else None
    )
    if defined is None:
        return ()
    try:
        values.table_of(values.variable_name, values.text)(defined)
    except Bad as bad:
        problems.extend(bad.problems)
        return ()
    pairs = defined.items if isinstance(defined, Mapping) else ()
    return tuple((k.text, v) for k, v in pairs if isinstance(k, Scalar) and isinstance(v, Scalar))


def _read_once(
    fields: Fields, key: str, read: Callable[[Node], object], *, below: str = ""
) -> tuple[tuple[str, str, Place], ...]:
    """Read what holds for all files."""
    value = fields.get(key, read, None)
    return () if value is None else ((f"{below}{key}", str(value), fields.nodes[key].place),)


def _read_guards(top: Fields) -> tuple[tuple[str, str, Place], ...]:
    guards = top.section("guards", language.GUARDS)
    return tuple(
        setting
        for key in language.GUARDS
        for setting in _read_once(guards, key, values.percentage, below="guards.")
    )


def _read_expect(top: Fields) -> tuple[tuple[str, str, Place], ...]:
    expect, severity = top.section("expect", language.EXPECT), values.one_of(Severity)
    return tuple(
        setting for key in language.EXPECT for setting in _read_once(expect, key, severity, below="expect.")
    )


def _read_protect(node: Node, problems: Problems, defaults: _Settings) -> ProtectRule:
    rule = fields_of(node, problems, known=language.PROTECT)
    settings, select = _read_settings(rule, defaults), _read_select(rule, node)
    backup = settings.backup
    if "rehearse" in rule.nodes and "instance" not in select.kinds:
        problems.add(rule.nodes["rehearse"].place, "only instances can be rehearsed; this rule selects none")
    return ProtectRule(
        name=_read_name(rule, node),
        select=select,
        options=backup.options,
        place=node.place,
        every=backup.every,
        images=backup.images,
        attached_volumes=backup.attached_volumes,
        hooks=backup.hooks,
        keep=settings.keep,
        verify_every=settings.verify_every,
        rehearse=settings.rehearse,
        instances_may=settings.instances_may,
        targets=settings.targets,
        places={**settings.places, **places_below(rule, "select")},
    )


def _read_settings(parent: Fields, defaults: _Settings) -> _Settings:
    permissions = values.list_of(values.one_of(Permission))
    may = parent.get("instances_may", permissions, defaults.instances_may)
    own = {"instances_may": parent.nodes["instances_may"].place} if "instances_may" in parent.nodes else {}
    places = {key: place for part in language.SETTINGS for key, place in places_below(parent, part).items()}
    named = read_target_names(parent)
    return _Settings(
        backup=_read_backup(parent, defaults.backup),
        keep=read_whole_keep(parent) if "keep" in parent.nodes else defaults.keep,
        verify_every=read_verify(parent) if "verify" in parent.nodes else defaults.verify_every,
        rehearse=read_rehearse(parent) if "rehearse" in parent.nodes else defaults.rehearse,
        instances_may=tuple(sorted(set(may))),
        targets=tuple(name for name, _ in named_in(named)) or defaults.targets,
        places={**defaults.places, **own, **named, **places},
    )


def _read_backup(parent: Fields, defaults: _Backup) -> _Backup:
    backup = parent.section("backup", language.BACKUP)
    usual = defaults.options
    return _Backup(
        every=backup.get("every", values.duration, defaults.every),
        options=ExportWishes(
            snapshot=backup.get("snapshot", values.boolean, usual.snapshot),
            optimized=backup.get("optimized", values.boolean, usual.optimized),
            compression=backup.get("compression", values.one_of(Compression), usual.compression),
        ),
        images=backup.get("images", values.one_of(Images), defaults.images),
        attached_volumes=backup.get("attached_volumes", values.boolean, defaults.attached_volumes),
        hooks=_read_hooks(backup, defaults.hooks),
    )


def _read_hooks(backup: Fields, defaults: Hooks) -> Hooks:
    return Hooks(
        before=backup.get("before", commands, defaults.before),
        after=backup.get("after", commands, defaults.after),
        timeout_seconds=read_timeout(backup, defaults.timeout_seconds),
    )


def _read_restore(node: Node, problems: Problems) -> RestoreRule:
    rule = fields_of(node, problems, known=language.RESTORE)
    to = rule.section("to", language.TO)
    identities = values.one_of(Identity, allowed=(Identity.PRESERVE, Identity.REGENERATE))
    select = _read_select(rule, node)
    if "volumes" in rule.nodes and "instance" not in select.kinds:
        problems.add(
            rule.nodes["volumes"].place, "only instances bring volumes along; this rule selects none"
        )
    return RestoreRule(
        name=_read_name(rule, node),
        select=select,
        place=node.place,
        version=rule.get("version", _read_version, Latest()),
        to=Destination(**{part: to.get(part, values.safe_name, "") for part in language.TO}),
        if_present=rule.get("if_present", values.one_of(IfPresent), IfPresent.FAIL),
        identity=rule.get("identity", identities, Identity.AUTO),
        from_target=rule.get("from", target_name, ""),
        volumes=rule.get("volumes", values.one_of(Volumes), Volumes.MISSING),
        without_devices=rule.get("without_devices", values.list_of(values.safe_name), ()),
        places={
            **{key: n.place for key, n in rule.nodes.items()},
            **places_below(rule, "select"),
            **places_below(rule, "to"),
        },
    )


def _read_name(rule: Fields, node: Node) -> str:
    return rule.require("name", values.text, "") if isinstance(node, Mapping) else ""


def _read_select(rule: Fields, node: Node) -> Select:
    if not isinstance(node, Mapping):
        return Select()  # that is problem enough
    if "select" not in rule.nodes:
        rule.problems.add(rule.place, "the key `select` is missing")
        return Select()
    select = rule.section("select", language.SELECT)
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
    if kind not in language.KINDS:
        near = did_you_mean(kind, language.KINDS)
        raise Bad((node.place, f"unknown kind {shown(kind)} (known: {', '.join(language.KINDS)}){near}"))
    return kind


def _read_version(node: Node) -> Version:
    if isinstance(node, Scalar):
        return Latest() if node.text == "latest" else values.timestamp(node)
    problems = Problems()
    fields = fields_of(node, problems, known=language.VERSION)
    if isinstance(node, Mapping):
        latest = Latest(fields.require("before", values.moment, None))
    if problems.found:
        raise Bad(*((Place(file, line, column), text) for file, line, column, text in problems.found))
    return latest


def _read_maps(maps: Fields) -> tuple[tuple[str, str, str, Place], ...]:
    read = values.table_of(values.safe_name, values.safe_name)
    return tuple(
        (name, old, new, place) for name in language.MAPS for old, new, place in maps.get(name, read, ())
    )
