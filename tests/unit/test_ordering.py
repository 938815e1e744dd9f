"""Steps stand in an order in which they may run."""

from hypothesis import given
from hypothesis import strategies as st

from incusbak.engine.planning.ordering import in_order
from incusbak.model.actions import Discard
from incusbak.model.plans import Step
from incusbak.model.refs import instance_ref

NAMES = [f"s{number}" for number in range(8)]


def step(name: str, *after: str) -> Step:
    return Step(name, name, Discard(instance_ref("default", name)), "", after=after)


def ids(*steps: Step) -> list[str]:
    return [each.id for each in in_order(steps, lambda step: step.id)]


def test_steps_that_wait_for_nothing_stand_in_their_usual_order() -> None:
    assert ids(step("c"), step("a"), step("b")) == ["a", "b", "c"]


def test_a_step_stands_behind_what_it_waits_for() -> None:
    assert ids(step("a", "c"), step("b"), step("c")) == ["b", "c", "a"]


def test_what_is_no_step_of_the_plan_is_not_waited_for() -> None:
    [only] = in_order([step("a", "gone")], lambda step: step.id)
    assert only.after == ()


def test_a_circle_is_cut_at_its_first_step() -> None:
    made = in_order([step("a", "b"), step("b", "a")], lambda step: step.id)
    assert [(each.id, each.after) for each in made] == [("a", ()), ("b", ("a",))]


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.sets(st.sampled_from(NAMES))), unique_by=lambda t: t[0]))
def test_after_always_names_earlier_steps(drawn: list[tuple[str, set[str]]]) -> None:
    made = in_order([step(name, *sorted(after - {name})) for name, after in drawn], lambda step: step.id)
    earlier: set[str] = set()
    for each in made:
        assert earlier.issuperset(each.after)
        earlier.add(each.id)
    assert earlier == {name for name, _ in drawn}
