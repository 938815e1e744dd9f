"""Read systemd unit files, where a key may be given many times."""

import shlex
from pathlib import Path

from attrs import frozen

FOLDER = Path(__file__).parent.parent / "examples/systemd"
PROGRAM = "/usr/local/bin/incus-backup"


@frozen
class Unit:
    """A unit file: (section, key, value), in their order."""

    lines: tuple[tuple[str, str, str], ...]

    def all(self, section: str, key: str) -> list[str]:
        return [value for s, k, value in self.lines if (s, k) == (section, key)]

    def one(self, section: str, key: str) -> str:
        """The value of a key that stands there once."""
        (value,) = self.all(section, key)
        return value

    @property
    def environment(self) -> dict[str, str]:
        words = (word for value in self.all("Service", "Environment") for word in shlex.split(value))
        return {name: value for name, _, value in (word.partition("=") for word in words)}

    @property
    def commands(self) -> list[list[str]]:
        return [shlex.split(value) for value in self.all("Service", "ExecStart")]


def read_unit(path: Path) -> Unit:
    section, found = "", []
    for line in path.read_text().replace("\\\n", "").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.append((section, key, value))
    return Unit(tuple(found))
