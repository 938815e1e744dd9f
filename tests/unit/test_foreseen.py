"""What would keep a replace from being finished is found while planning."""

import pytest

from incusbak.errors import Unplannable
from incusbak.model.facts import Foreseen
from incusbak.model.policies import IfPresent
from tests.unit.toys import resource
from tests.unit.worlds import WEB, plan, restored, world


def test_a_replace_that_the_server_would_refuse_is_not_planned() -> None:
    found = Foreseen("Incus itself uses it", "take another name")
    with pytest.raises(Unplannable, match=f"{WEB} can't be replaced: Incus itself uses it") as refused:
        plan([restored()], world(resource(WEB), foreseen={WEB: found}))
    assert refused.value.hint == "take another name"


def test_what_will_be_done_about_lesser_troubles_is_a_warning() -> None:
    found = Foreseen(warnings=("its disk is nearly full",))
    made = plan([restored()], world(resource(WEB), foreseen={WEB: found}))
    assert [step.id for step in made.steps] == [f"replace:{WEB}"]
    assert made.warnings == ("its disk is nearly full",)


def test_what_stays_is_not_warned_of() -> None:
    found = Foreseen("Incus itself uses it", warnings=("its disk is nearly full",))
    made = plan([restored(if_present=IfPresent.SKIP)], world(resource(WEB), foreseen={WEB: found}))
    assert (made.steps, made.warnings) == ((), ())
