"""What instances ask for by keys of their own: what makes sense is heard, the rest named and passed over."""

import pytest

from incusbak.engine.selection.instance_keys import AFTER, BEFORE, PROTECT, Wishes, wishes_of
from incusbak.model.policies import Hooks


def test_an_instance_without_such_keys_asks_for_nothing() -> None:
    assert wishes_of({"user.tier": "gold"}) == Wishes()
    assert wishes_of({PROTECT: "", BEFORE: "", AFTER: "[]"}) == Wishes()


def test_commands_and_whether_to_protect_are_heard() -> None:
    asked = wishes_of({PROTECT: "false", BEFORE: '[["sync"], ["sh", "-c", ""]]', AFTER: '[["ä\\n"]]'})
    assert asked == Wishes(False, (("sync",), ("sh", "-c", "")), (("ä\n",),))


def test_commands_of_the_rule_enclose_those_of_the_instance() -> None:
    hooks = Wishes(before=(("own",),), after=(("own",),)).added_to(Hooks((("rule",),), (("rule",),)))
    assert (hooks.before, hooks.after) == ((("rule",), ("own",)), (("own",), ("rule",)))


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "{}",
        '["sync"]',
        "[[]]",
        '[[""]]',
        "[[1]]",
        '[["a\\u0000"]]',
        '[["\\ud800"]]',
        "[" * 9999,
        "9" * 9999,
    ],
)
def test_what_is_no_list_of_commands_is_named_and_passed_over(text: str) -> None:
    asked = wishes_of({BEFORE: text, AFTER: '[["sync"]]'})
    assert (asked.before, asked.after) == ((), (("sync",),))
    assert [problem.partition(":")[0] for problem in asked.problems] == [
        f'{BEFORE} is not a JSON list of commands such as [["sync"]]'
    ]


def test_a_truth_value_nobody_understands_is_named() -> None:
    asked = wishes_of({PROTECT: "maybe"})
    assert (asked.protect, asked.problems) == (None, (f"{PROTECT} is neither true nor false",))
