"""Read the settings of a rule about what is stored: `keep`, `verify`, `rehearse`."""

from datetime import timedelta

from attrs import evolve

from ..model.policies import Keep, Rehearsing
from . import language, values
from .commands import commands
from .fields import Fields
from .nodes import Mapping


def read_whole_keep(parent: Fields) -> Keep | None:
    """Read a whole `keep`: a rule's takes the place of that of `defaults`, they are not mixed."""
    keep = parent.section("keep", language.KEEP)
    if not keep.nodes and isinstance(parent.nodes["keep"], Mapping):
        parent.problems.add(keep.place, "`keep` is empty; leave it out to keep all, or say how many")
    return read_keep(keep) if keep.nodes else None


def read_keep(keep: Fields) -> Keep:
    """Read the rules of a `keep`."""
    counts = [key for key in language.KEEP if key not in ("within", "all")]
    return Keep(
        **{key: keep.get(key, values.count, 0) for key in counts},
        within=keep.get("within", values.duration, timedelta()),
        all=keep.get("all", values.true, False),
    )


def read_verify(parent: Fields) -> timedelta | None:
    """Read how often backups are read again; None where that is not said, which is a problem."""
    verify = parent.section("verify", language.VERIFY)
    if not isinstance(parent.nodes["verify"], Mapping):
        return None
    return verify.require("every", values.duration, None)


def read_rehearse(parent: Fields) -> Rehearsing | None:
    """Read a whole `rehearse`, as `keep`."""
    rehearse = parent.section("rehearse", language.REHEARSE)
    if not isinstance(parent.nodes["rehearse"], Mapping):
        return None
    usual = Rehearsing(rehearse.require("every", values.duration, timedelta.max))
    probe = rehearse.get("probe", commands, usual.probe)
    return evolve(usual, probe=probe, timeout_seconds=read_timeout(rehearse, usual.timeout_seconds))


def read_timeout(parent: Fields, usual_seconds: int) -> int:
    """Read how long commands may take, in seconds."""
    timeout = parent.get("timeout", values.duration, timedelta(seconds=usual_seconds))
    return int(timeout.total_seconds())
