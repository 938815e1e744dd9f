"""Where the password of a repository comes from; it is only ever put into the environment of restic."""

import os
import sys
import threading
from collections.abc import Callable, Mapping
from getpass import getpass
from urllib.parse import quote

from ...errors import RepositoryDenied

_BY_ENVIRONMENT = ("RESTIC_PASSWORD", "RESTIC_PASSWORD_FILE", "RESTIC_PASSWORD_COMMAND")
_KNOWS_REST_VARIABLES = (0, 17)
Ask = Callable[[str], str]


def is_on_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


class Passwords:
    """The secrets of one repository: restic's own variables, else what is typed, once."""

    def __init__(self, ask: Ask | None = None) -> None:
        self._ask = ask or (getpass if is_on_terminal() else None)
        self._typed = ""
        self._asking = threading.Lock()

    def environment(self, place: str, version: tuple[int, int]) -> Mapping[str, str]:
        """The variables to run restic with, beside those there are.

        Raises:
            RepositoryDenied: there is no password, and nobody to ask.
        """
        found = {} if self._is_given() else {"RESTIC_PASSWORD": self._asked(place)}
        if place.startswith("rest:") and version < _KNOWS_REST_VARIABLES:
            found |= _with_credentials(place)
        return found

    def confirm(self, place: str) -> None:
        """Have a password that is typed typed again, before a repository is made with it.

        Raises:
            RepositoryDenied: it was another one; or none is given, and there is nobody to ask.
        """
        if self._is_given():
            return
        typed = self._asked(place)
        if self._ask and self._ask("Once more, for a new repository: ") != typed:
            self._typed = ""
            raise RepositoryDenied("the two passwords are not the same", hint="run the command again")

    def _is_given(self) -> bool:
        return any(os.environ.get(name) for name in _BY_ENVIRONMENT)

    def _asked(self, place: str) -> str:
        with self._asking:
            if not self._typed and self._ask:
                self._typed = self._ask(f"Repository {place}\nPassword: ")
            if not self._typed:
                raise RepositoryDenied(
                    f"no password is given for {place}",
                    hint="set RESTIC_PASSWORD_FILE, RESTIC_PASSWORD_COMMAND or RESTIC_PASSWORD",
                )
            return self._typed


def _with_credentials(place: str) -> Mapping[str, str]:
    """Do for an older restic what newer ones do with these variables; only its memory holds it."""
    user, password = (os.environ.get(f"RESTIC_REST_{name}", "") for name in ("USERNAME", "PASSWORD"))
    before, slashes, after = place.partition("://")
    if not user or not slashes or "@" in after.partition("/")[0]:
        return {}
    return {"RESTIC_REPOSITORY": f"{before}://{quote(user, safe='')}:{quote(password, safe='')}@{after}"}
