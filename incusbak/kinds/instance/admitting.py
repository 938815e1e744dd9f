"""Tell from a backup and a project's configuration whether the instance can come in. Pure."""

from collections.abc import Iterator

from ...model.admissions import Admission
from ...model.backups import Manifest
from ...model.documents import Json
from ...model.goals import RestoreOptions
from ...model.inventory import ServerInfo
from ...model.policies import Identity
from ...ports import ProfileOf
from ..common.values import is_true
from .capacity import held_bytes
from .definition import mapped, root_device, with_root
from .dependents import counted_volumes, disks
from .fitting import target_pool
from .project_rules import config_of, effective, is_limited, needs, unset
from .restrictions import violations

_LOW_LEVEL = "restricted.{}s.lowlevel"
_CHECKS_SNAPSHOTS = "direct_backup"
"""An extension of servers that check snapshots as well, and guard keys in restricted projects only."""


def admission(
    manifest: Manifest, options: RestoreOptions, server: ServerInfo, *, project: Json, profile_of: ProfileOf
) -> Admission:
    """See ``ports.Kind.admission``."""
    if not is_limited(project):
        return Admission()
    captured, kind = manifest.captured, str(manifest.captured.resource["type"])
    wanted = mapped(captured.resource, options.maps)
    profiles = [profile for name in wanted["profiles"] if (profile := profile_of(name))]
    root, pool = root_device(captured.resource), target_pool(manifest, options)
    wanted = with_root(wanted, root, pool, profiles, holds=held_bytes(captured))
    whole, config = effective(wanted, profiles), config_of(project)
    volumes = counted_volumes(captured, project)
    missing = unset(whole, project, kind, volumes)
    problems = [f"it has no {key}, which the project demands" for key in missing]
    problems += violations(whole, config, kind)
    if server.has(_CHECKS_SNAPSHOTS):
        for snapshot in captured.snapshots:
            there = effective(mapped(snapshot, options.maps), profiles)
            problems += [f"snapshot {snapshot['name']}: {each}" for each in violations(there, config, kind)]
    losses = () if options.identity is Identity.REGENERATE else tuple(_losses(project, kind, server))
    taken = needs(whole, kind, volumes)
    return Admission(tuple(problems), losses, taken, passing=taken if disks(captured.resource) else {})


def _losses(project: Json, instance_type: str, server: ServerInfo) -> Iterator[str]:
    """Tell what the server gives anew to whatever comes into a project that guards volatile keys."""
    config = config_of(project)
    is_restricted = is_true(config.get("restricted"))
    if config.get(_LOW_LEVEL.format(instance_type)) == "allow":
        return
    if is_restricted or not server.has(_CHECKS_SNAPSHOTS):
        yield (
            f"the server gives it a new uuid and a new cloud-init id in project {project['name']}: "
            "cloud-init takes it for a new machine"
        )
    if not is_restricted and not server.has(_CHECKS_SNAPSHOTS):
        key = _LOW_LEVEL.format(instance_type)
        yield f"it keeps them with `incus project set {project['name']} {key}=allow`"
