"""Which calls of restic this process makes side by side."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Gate:
    """Keep our own calls of restic from refusing each other: some of them must be alone.

    Those that need not be do not wait for one that waits: they may be what it waits for.
    """

    def __init__(self) -> None:
        self._changing = threading.Condition()
        self._inside = 0

    @contextmanager
    def shared(self) -> Iterator[None]:
        with self._changing:
            self._inside += 1
        try:
            yield
        finally:
            with self._changing:
                self._inside -= 1
                self._changing.notify_all()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        with self._changing:
            while self._inside:
                self._changing.wait()
            yield
