"""``restic:`` keeps the contract of repositories with the restic of Debian 12, in a thorough run.

A quick one uses that restic wherever it uses an Incus 6.0: ``test_restic``, ``test_restic_faults``.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from incusbak.ports import Repository
from tests.contract.conftest import Place
from tests.contract.test_repository import *  # noqa: F403  the suite itself: pytest finds it by these names
from tests.contract.test_repository_care import *  # noqa: F403  as above
from tests.contract.test_repository_identity import *  # noqa: F403  as above
from tests.live.restic_place import make_place
from tests.live.support.restic import DEBIANS, Restic

pytestmark = pytest.mark.thorough


@pytest.fixture
def place(restic_template: Callable[[str], Restic], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return make_place(restic_template(DEBIANS), tmp_path, monkeypatch)


@pytest.fixture
def repository(place: Place) -> Repository:
    return place.open("")
