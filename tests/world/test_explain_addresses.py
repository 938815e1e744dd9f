"""What people may call a resource, and what they are told when there is none of that name."""

from itertools import pairwise

import pytest

from incusbak.errors import NotFound, UsageError
from tests.world.explain_scene import DATA, USED, explain, image_of, make_estate, rule
from tests.world.session import Estate


@pytest.fixture
def estate() -> Estate:
    return make_estate()


def test_an_image_goes_by_alias_and_by_the_beginning_of_its_fingerprint(estate: Estate) -> None:
    for name in ("golden/1", USED.name[:7], USED.name):
        assert explain(estate, f"image/{name}", rule()).address == USED
    estate.back_up(USED.name, kind="image")
    estate.server.world.images.clear()
    assert explain(estate, f"image/{USED.name[:4]}", rule()).address == USED


def test_a_volume_goes_by_the_project_that_uses_it_as_well(estate: Estate) -> None:
    assert explain(estate, "volume/shop/fast/data", rule()).address == DATA


def test_a_beginning_that_several_images_have_is_refused_with_their_names() -> None:
    estate = Estate()
    there = sorted(image_of(estate, str(number).encode()).address for number in range(17))
    first = next(a for a, b in pairwise(there) if a[:7] == b[:7])[:7]
    with pytest.raises(UsageError, match=f"{first} is not one image but [0-9]+: {first}"):
        explain(estate, first, rule())


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        ("instance/default/wob", "did you mean instance/default/web"),
        ("instance/shop/db", "did you mean instance/default/db"),
        ("volume/default/fats/data", "did you mean volume/default/fast/data"),
        ("image/golden/2", "did you mean image/golden/1?"),
        ("instance/zzz/qqq", ""),
    ],
)
def test_what_nobody_knows_is_an_error_with_near_misses(estate: Estate, address: str, hint: str) -> None:
    with pytest.raises(NotFound, match=f"{address} is neither on the server nor in the repository") as caught:
        explain(estate, address, rule())
    assert (caught.value.exit_code, caught.value.hint.startswith(hint)) == (1, True)
    assert bool(caught.value.hint) == bool(hint)
