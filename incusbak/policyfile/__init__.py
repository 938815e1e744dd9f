"""YAML policy files to one checked ``Policy``; every problem at once, each as ``file:line:column``."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as MappingOf
from pathlib import Path

from attrs import define, field

from ..errors import PolicyError, UsageError
from ..model.policies import Expect, Guards, Keep, Maps, Place, Policy, PolicyFile, Severity
from . import language
from .care import read_keep
from .command_line import parse_command, parse_duration, parse_moment
from .fields import fields_of
from .grammar import Draft, read_policy, read_vars
from .nodes import Mapping, Node, Scalar, parse_yaml, place_at
from .problems import Bad, Problems, shown
from .targets import check_names, merge_targets
from .variables import variables_of
from .writing import quoted

LARGEST_BYTES = 1 << 20


def load_policies(paths: Sequence[Path], *, environment: MappingOf[str, str] | None = None) -> Policy:
    """Read policy files, and folders of ``*.yaml`` in the order of their names, into one policy.

    Args:
        environment: what ``${NAME}`` may stand for besides ``vars``; this process's when left out.

    Raises:
        UsageError: a file or folder can't be read.
        PolicyError: what is wrong in any of them.
    """
    return _merge(_sources(paths), os.environ if environment is None else environment)


def identify_policies(paths: Sequence[Path]) -> tuple[PolicyFile, ...]:
    """Say which policy files these are, as ``load_policies`` does, whatever is written in them.

    Raises:
        UsageError: a file or folder can't be read.
    """
    return _identified(_sources(paths))


def parse_policy(text: str | bytes, file: str, *, environment: MappingOf[str, str] | None = None) -> Policy:
    """Read the text of one policy file.

    Raises:
        PolicyError: what is wrong with it.
    """
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return _merge([(file, data)], environment or {})


def parse_keep(text: str) -> Keep:
    """Read rules of retention as a command line has them: ``daily=7,weekly=4,within=48h``.

    Raises:
        ValueError: what is wrong with them.
    """
    problems, place = Problems(), Place("", 1)
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(key.strip() and value.strip() for key, _, value in pairs):
        raise ValueError(f"{text!r} is not of the form daily=7,weekly=4,within=48h")
    items = ((Scalar(place, key.strip(), "text"), _word(place, value.strip())) for key, _, value in pairs)
    keep = read_keep(fields_of(Mapping(place, tuple(items)), problems, known=language.KEEP))
    if problems.found:
        raise ValueError("; ".join(sorted(message for *_, message in problems.found)))
    return keep


def _word(place: Place, text: str) -> Scalar:
    """Take a word as a YAML file would have it."""
    meaning = "int" if text.isascii() and text.isdigit() else "bool" if text in ("true", "false") else "text"
    return Scalar(place, text, meaning)


def _sources(paths: Iterable[Path]) -> list[tuple[str, bytes]]:
    return [(str(path), _read(path)) for path in _files(paths)]


def _identified(sources: Iterable[tuple[str, bytes]]) -> tuple[PolicyFile, ...]:
    return tuple(PolicyFile(file, hashlib.sha256(data).hexdigest()) for file, data in sources)


def _files(paths: Iterable[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        try:
            found = sorted(entry for entry in path.iterdir() if entry.suffix == ".yaml" and entry.is_file())
        except OSError as error:
            raise UsageError(f"can't read the folder {path}: {error.strerror}") from error
        if not found:
            raise UsageError(f"the folder {path} holds no policy (*.yaml)")
        files.extend(found)
    return files


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"can't read the policy {path}: {reason}") from error


def _merge(sources: Sequence[tuple[str, bytes]], environment: MappingOf[str, str]) -> Policy:
    problems = Problems()
    roots = [root for file, data in sources if (root := _parsed(data, file, problems))]
    variables = variables_of((read_vars(root, problems) for root in roots), environment, problems)
    drafts = [read_policy(variables.expand(root), problems) for root in roots]
    _refuse_repeated_names(drafts, problems)
    once = _gathered(drafts, problems)
    targets = merge_targets((draft.targets for draft in drafts), problems)
    check_names((named for draft in drafts for named in draft.named), targets, problems)
    if targets and "target" in once.settings:
        _, place = once.settings["target"]
        problems.add(place, f"`target` and `targets` (at {targets[0].place}) contradict each other; keep one")
    problems.raise_any()
    return Policy(
        files=_identified(sources),
        target=once.value("target"),
        targets=targets,
        protect=tuple(rule for draft in drafts for rule in draft.protect),
        restore=tuple(rule for draft in drafts for rule in draft.restore),
        maps=_maps(drafts),
        timezone=once.value("timezone") or "UTC",
        guards=Guards(once.number("guards.max_replace"), once.number("guards.max_prune")),
        expect=_expect(once),
        sensitive=tuple(sorted({glob for draft in drafts for glob in draft.sensitive})),
    )


def _parsed(data: bytes, file: str, problems: Problems) -> Node | None:
    try:
        return parse_yaml(_decode(data, file), file)
    except Bad as bad:
        problems.extend(bad.problems)
        return None


def _gathered(drafts: Iterable[Draft], problems: Problems) -> "_Once":
    """Gather what holds for all files, wherever it stands."""
    once = _Once()
    for draft in drafts:
        for name, value, place in draft.settings:
            once.put(name, value, place, problems)
        for name, old, new, place in draft.maps:
            once.put(f"maps.{name}.{old}", new, place, problems)
    return once


def _decode(data: bytes, file: str) -> str:
    if len(data) > LARGEST_BYTES:
        raise Bad((Place(file, 1), "larger than 1 MiB; this is not a policy"))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        place = place_at(before, len(before), file)
        raise Bad((place, f"not UTF-8 text (byte 0x{data[error.start]:02x})")) from error


def _refuse_repeated_names(drafts: Iterable[Draft], problems: Problems) -> None:
    seen: dict[str, Place] = {}
    for draft in drafts:
        named = [(r.name, r.place) for r in draft.protect] + [(r.name, r.place) for r in draft.restore]
        for name, place in named:
            first = seen.setdefault(name, place)
            if name and first is not place:
                problems.add(place, f"the rule name {shown(name)} is taken by {first}")


@define
class _Once:
    """Settings that may be given again only with the same value."""

    settings: dict[str, tuple[str, Place]] = field(factory=dict)

    def put(self, name: str, value: str, place: Place, problems: Problems) -> None:
        first, where = self.settings.setdefault(name, (value, place))
        if first != value:
            problems.add(place, f"{shown(name)} is another one here than at {where}")

    def value(self, name: str) -> str:
        return self.settings[name][0] if name in self.settings else ""

    def number(self, name: str) -> int | None:
        return int(self.value(name)) if name in self.settings else None


def _expect(once: _Once) -> Expect:
    said = {
        key: once.settings[f"expect.{key}"] for key in language.EXPECT if f"expect.{key}" in once.settings
    }
    places = {key: place for key, (_, place) in said.items()}
    return Expect(**{key: Severity(word) for key, (word, _) in said.items()}, places=places)


def _maps(drafts: Iterable[Draft]) -> Maps:
    merged: dict[str, dict[str, str]] = {}
    for draft in drafts:
        for name, old, new, _ in draft.maps:
            merged.setdefault(name, {})[old] = new
    return Maps(**merged)


__all__ = [
    "PolicyError",
    "identify_policies",
    "load_policies",
    "parse_command",
    "parse_duration",
    "parse_keep",
    "parse_moment",
    "parse_policy",
    "quoted",
]
