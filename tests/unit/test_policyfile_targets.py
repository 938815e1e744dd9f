"""Several targets: read strictly, named by rules, put together from several files."""

from pathlib import Path
from textwrap import dedent

import pytest

from incusbak.errors import PolicyError
from incusbak.model.policies import Keep, Place, Policy, Target
from incusbak.policyfile import load_policies, parse_policy

BOTH = "targets: {local: 'dir:/a', offsite: 'dir:/b'}"


def parse(text: str, **environment: str) -> Policy:
    return parse_policy(dedent(text), "p.yaml", environment=environment)


def problems(text: str) -> list[str]:
    """The lines of the error that a policy gives, without the file."""
    with pytest.raises(PolicyError) as caught:
        parse("version: 1\n" + dedent(text))
    return [line.removeprefix("p.yaml:") for line in caught.value.message.splitlines()]


def test_a_target_is_a_uri_or_has_a_keep_of_its_own() -> None:
    policy = parse(
        """\
        version: 1
        targets:
          local: dir:/srv/${STAGE}
          off-site_2:
            uri: dir:/mnt/backups
            keep: {monthly: 12, within: 2d}
        """,
        STAGE="shop",
    )
    local, offsite = policy.targets
    assert (local.name, local.uri, local.keep, local.place) == (
        "local",
        "dir:/srv/shop",
        None,
        Place("p.yaml", 3, 3),
    )
    assert (offsite.name, offsite.uri, offsite.keep and offsite.keep.monthly) == (
        "off-site_2",
        "dir:/mnt/backups",
        12,
    )
    assert offsite.places == {
        "keep.monthly": Place("p.yaml", 6, 12),
        "keep.within": Place("p.yaml", 6, 25),
    }
    assert policy.target == ""


def test_rules_name_targets_and_have_those_of_the_defaults_otherwise() -> None:
    policy = parse(
        f"""\
        version: 1
        {BOTH}
        defaults: {{targets: [local]}}
        protect:
          - {{name: a, select: {{kind: instance}}}}
          - {{name: b, select: {{kind: volume}}, targets: [offsite, "${{WHERE}}"]}}
        restore:
          - {{name: c, select: {{kind: volume}}, from: offsite}}
          - {{name: d, select: {{kind: image}}}}
        """,
        WHERE="local",
    )
    assert [rule.targets for rule in policy.protect] == [("local",), ("offsite", "local")]
    assert [rule.from_target for rule in policy.restore] == ["offsite", ""]


def test_without_a_word_a_rule_is_for_all_targets() -> None:
    [rule] = parse(f"version: 1\n{BOTH}\nprotect: [{{name: a, select: {{kind: config}}}}]").protect
    assert rule.targets == ()


RULE = "protect: [{name: a, select: {kind: config}, targets: %s}]"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("targets: {}", ["2:10: expected a mapping of names to repositories, got an empty one"]),
        ("targets: dir:/a", ["2:10: expected a mapping of names to repositories, got the text `dir:/a`"]),
        ("targets: ['dir:/a']", ["2:10: expected a mapping of names to repositories, got a list"]),
        ("targets:", ["2:1: expected a mapping of names to repositories, got nothing"]),
        ("targets: {a: }", ["2:11: expected text, got nothing"]),
        (
            "targets: {a: /srv}",
            ["2:14: `/srv` is not a target such as dir:/srv/incus-backups; write dir:/srv"],
        ),
        ("targets: {a: [x]}", ["2:14: expected a mapping with uri, keep, got a list"]),
        ("targets: {a: {}}", ["2:14: the key `uri` is missing"]),
        ("targets: {a: {uri: 'dir:/a', kep: {last: 1}}}", ["2:30: unknown key `kep`; did you mean `keep`?"]),
        (
            "targets: {a: {uri: 'dir:/a', keep: {}}}",
            ["2:36: `keep` is empty; leave it out to keep all, or say how many"],
        ),
        (
            "targets: {a: {uri: 'dir:/a', keep: {last: 0}}}",
            ["2:43: expected how many, from 1 on, got the number `0`"],
        ),
        ("targets: {a: 'dir:/a', a: 'dir:/b'}", ["2:24: duplicate key `a`"]),
        ("targets: {a: 'dir:/a', b: 'dir:/a'}", ["2:24: this is the repository of `a` as well"]),
        (
            "targets: {a b: 'dir:/a'}",
            ["2:11: `a b` can't name a target; use letters, digits, `-` and `_`"],
        ),
        (
            "targets: {../a: 'dir:/a'}",
            ["2:11: `../a` can't name a target; use letters, digits, `-` and `_`"],
        ),
        (
            "targets: {1: 'dir:/a'}",
            ['2:11: expected text, got the number `1`; put it in quotes if text is meant: "1"'],
        ),
        (
            "targets: {a: 'dir:/a'}\ntarget: dir:/b",
            ["3:9: `target` and `targets` (at p.yaml:2:11) contradict each other; keep one"],
        ),
        (f"{BOTH}\n{RULE % '[]'}", ["3:54: expected a list, got an empty one; leave the key out"]),
        (f"{BOTH}\n{RULE % 'local'}", ["3:54: expected a list, got the text `local`; write [local]"]),
        (f"{BOTH}\n{RULE % '[local, local]'}", ["3:62: `local` is named twice"]),
        (
            f"{BOTH}\n{RULE % '[local, ofsite]'}",
            ["3:62: unknown target `ofsite` (known: local, offsite); did you mean `offsite`?"],
        ),
        (f"target: dir:/a\n{RULE % '[local]'}", ["3:55: unknown target `local` (known: none)"]),
        (
            f"{BOTH}\ndefaults: {{targets: [lokal]}}",
            ["3:22: unknown target `lokal` (known: local, offsite); did you mean `local`?"],
        ),
        (
            f"{BOTH}\nrestore: [{{name: a, select: {{kind: config}}, from: tape}}]",
            ["3:51: unknown target `tape` (known: local, offsite)"],
        ),
        (
            f"{BOTH}\nrestore: [{{name: a, select: {{kind: config}}, from: [local]}}]",
            ["3:51: expected text, got a list"],
        ),
        (
            f"{BOTH}\nrestore: [{{name: a, select: {{kind: config}}, targets: [local]}}]",
            ["3:45: unknown key `targets`"],
        ),
        (
            "targets: {a: /x, b: {url: y}}\ndefaults: {targets: [a, b, c]}",
            [
                "2:14: `/x` is not a target such as dir:/srv/incus-backups; write dir:/x",
                "2:21: the key `uri` is missing",
                "2:22: unknown key `url`; did you mean `uri`?",
                "3:28: unknown target `c` (known: a, b)",
            ],
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, found: list[str]) -> None:
    told = problems(text)
    assert len(told) == len(found)
    assert [line for line, wanted in zip(told, found, strict=True) if not line.startswith(wanted)] == []


def test_the_value_of_a_variable_is_not_told() -> None:
    with pytest.raises(PolicyError) as caught:
        parse("version: 1\ntargets: {a: '${SECRET}'}\n", SECRET="hunter2")
    assert "hunter2" not in caught.value.message


# -- several files ----------------------------------------------------------------------------------


def load(folder: Path, *texts: str) -> Policy:
    for number, text in enumerate(texts):
        (folder / f"{number}.yaml").write_text(f"version: 1\n{text}\n")
    return load_policies([folder], environment={})


def test_a_rule_may_name_the_target_of_another_file(tmp_path: Path) -> None:
    policy = load(tmp_path, RULE % "[b]", "targets: {a: 'dir:/a'}", "targets: {b: 'dir:/b', a: 'dir:/a'}")
    place = Place("", 1)
    assert policy.targets == (Target("a", "dir:/a", place), Target("b", "dir:/b", place))
    assert policy.protect[0].targets == ("b",)


@pytest.mark.parametrize(
    ("other", "complaint"),
    [
        ("targets: {a: 'dir:/b'}", "1.yaml:2:11: the target `a` is another one than at "),
        ("targets: {a: {uri: 'dir:/a', keep: {last: 1}}}", "1.yaml:2:11: the target `a` is another one"),
        ("targets: {b: 'dir:/a'}", "1.yaml:2:11: this is the repository of `a` as well"),
        ("target: dir:/a", "1.yaml:2:9: `target` and `targets` (at "),
    ],
)
def test_files_that_contradict_each_other_are_refused(tmp_path: Path, other: str, complaint: str) -> None:
    with pytest.raises(PolicyError) as caught:
        load(tmp_path, "targets: {a: 'dir:/a'}", other)
    assert complaint in caught.value.message


def test_keeps_are_compared_whole(tmp_path: Path) -> None:
    text = "targets: {a: {uri: 'dir:/a', keep: {daily: 7}}}"
    [target] = load(tmp_path, text, text).targets
    assert target.keep == Keep(daily=7)
