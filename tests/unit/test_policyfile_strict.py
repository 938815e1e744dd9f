"""Nothing wrong in a policy gets past its reader, and each message says what to do."""

from textwrap import dedent

import pytest

from incusbak.errors import PolicyError
from incusbak.policyfile import language, parse_policy


def problems(text: str | bytes) -> list[str]:
    """The lines of the error a policy gives, without the file."""
    with pytest.raises(PolicyError) as caught:
        parse_policy(dedent(text) if isinstance(text, str) else text, "p.yaml")
    assert caught.value.exit_code == 64
    lines = caught.value.message.splitlines()
    assert all(line.startswith("p.yaml:") for line in lines)
    return [line.removeprefix("p.yaml:") for line in lines]


def rule_problems(body: str) -> list[str]:
    """The problems of one protect rule with ``body`` in flow style, without their places."""
    found = problems(f"version: 1\nprotect:\n- {{name: r, select: {{kind: instance}}, {body}}}\n")
    return [line.split(": ", 1)[1] for line in found]


def select_problems(body: str) -> list[str]:
    found = problems(f"version: 1\nprotect:\n- {{name: r, select: {{kind: instance, {body}}}}}\n")
    return [line.split(": ", 1)[1] for line in found]


@pytest.mark.parametrize(
    "text", ["24", "h", "1.5h", "-1h", "24 h", "12h1d", "1h1h", "1y", "999999d", "٣h", "[1h]"]
)
def test_other_forms_of_durations_are_refused(text: str) -> None:
    assert "expected a duration such as 90m" in rule_problems(f"backup: {{every: {text}}}")[0]


def test_a_duration_of_nothing_is_refused() -> None:
    assert "zero" in rule_problems("backup: {every: 0h}")[0]


def test_every_problem_is_told_at_once_sorted_by_place() -> None:
    text = """\
        version: 2
        target: /srv/x
        timezone: Europe/Berln
        defaults:
          keep: {last: 0, daily: x, weeks: 2}
          backup: {optimized: no}
        protect:
          - name: web
            select:
              nmaes: ["a"]
              names: [123, "a[b"]
              where: {limits.cpu: 2}
            backup: {every: 24, compression: zst, images: no}
          - name: web
            select: {kind: vm}
          - 5
        restore:
          - select: {kind: volume, where: {a: b}}
            version: {befor: 1}
            to: {name: a/b}
            if_present: replac
            identity: auto
        guards: {max_prune: 50}
        """
    assert "\n".join(problems(text)) + "\n" == dedent(
        f"""\
        1:10: expected the policy version 1, got the number `2`
        2:9: `/srv/x` is not a target such as dir:/srv/incus-backups; write dir:/srv/x
        3:11: unknown time zone `Europe/Berln`; did you mean `Europe/Berlin`?
        5:16: expected how many, from 1 on, got the number `0`
        5:26: expected how many, from 1 on, got the text `x`
        5:29: unknown key `weeks`; did you mean `weekly`?
        6:23: expected true or false, got the text `no`; write `false`
        10:7: the key `kind` is missing
        10:7: unknown key `nmaes`; did you mean `names`?
        11:15: expected text, got the number `123`; put it in quotes if text is meant: "123"
        11:20: the pattern `a[b` has a `[` without its `]`
        12:27: expected text, got the number `2`; put it in quotes if text is meant: "2"
        13:21: expected a duration such as 90m, 24h, 7d, 2w or 1d12h, got the number `24`
        13:38: expected one of zstd, gzip, xz, none, got the text `zst`; did you mean `zstd`?
        13:51: expected one of none, referenced, all, got the text `no`; did you mean `none`?
        14:5: the rule name `web` is taken by p.yaml:8:5
        15:20: unknown kind `vm` (known: instance, volume, image, config)
        16:5: expected a mapping with {", ".join(language.PROTECT)}, got the number `5`
        18:5: the key `name` is missing
        19:14: the key `before` is missing
        19:15: unknown key `befor`; did you mean `before`?
        20:16: the name 'a/b' holds a slash or a control character
        21:17: expected one of fail, skip, replace, got the text `replac`; did you mean `replace`?
        22:15: expected one of preserve, regenerate, got the text `auto`
        23:21: expected a percentage from 0% to 100%, got the number `50`; write 50%
        """
    )


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("keep: {}", "`keep` is empty; leave it out to keep all, or say how many"),
        (
            "keep: [x]",
            f"expected a mapping with {', '.join(language.KEEP)}, got a list",
        ),
        ("keep: {all: false}", "only true means something here; leave it out otherwise"),
        ("keep: {last: 1.5}", "expected how many, from 1 on, got the number `1.5`"),
        ("keep: {last: '3'}", "expected how many, from 1 on, got the text `3`"),
        ("keep: {last: 9999999999}", "expected how many, from 1 on, got the number `9999999999`"),
        ("verify: {}", "the key `every` is missing"),
        ("verify: 7d", "expected a mapping with every, got the text `7d`"),
        ("rehearse: {}", "the key `every` is missing"),
        ("rehearse: [x]", "expected a mapping with every, probe, timeout, got a list"),
        ("rehearse: 7d", "expected a mapping with every, probe, timeout, got the text `7d`"),
        (
            "rehearse: {every: 7d, probe: [sync]}",
            "expected a command as the list of its words, such as [sync], got the text `sync`; write [sync]",
        ),
        (
            "rehearse: {every: 7d, probe: [test -e /srv]}",
            "expected a command as the list of its words, such as [sync], got the text `test -e /srv`; "
            "write [test, -e, /srv]",
        ),
        (
            "rehearse: {every: 7d, probe: ['test \"$x\"']}",
            'expected a command as the list of its words, such as [sync], got the text `test "$x"`',
        ),
        (
            "rehearse: {every: 7d, probe: [[test -e, /srv]]}",
            "`test -e` is one word, the name of a program; write [test, -e]",
        ),
    ],
)
def test_what_is_kept_verified_and_rehearsed_is_said_in_full(body: str, problem: str) -> None:
    assert rule_problems(body) == [problem]


def test_only_instances_bring_volumes_along() -> None:
    rule = "{name: a, select: {kind: [volume, config]}, volumes: all}"
    [problem] = problems(f"version: 1\nrestore: [{rule}]")
    assert problem.endswith("only instances bring volumes along; this rule selects none")


def test_what_can_not_be_started_can_not_be_rehearsed() -> None:
    rule = "{name: a, select: {kind: [volume, config]}, rehearse: {every: 7d}}"
    [problem] = problems(f"version: 1\nprotect: [{rule}]")
    assert problem.endswith("only instances can be rehearsed; this rule selects none")
    usual = "defaults: {rehearse: {every: 7d}}"
    policy = parse_policy(f"version: 1\n{usual}\nprotect: [{{name: a, select: {{kind: volume}}}}]", "p.yaml")
    assert len(policy.protect) == 1


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("names: web", "expected a list, got the text `web`; write [web]"),
        ("names: []", "expected a list, got an empty one; leave the key out for its default"),
        ("names: [~]", "expected text, got nothing"),
        ('names: [""]', "expected text, got empty text"),
        (
            "names: [true]",
            'expected text, got the truth value `true`; put it in quotes if text is meant: "true"',
        ),
        ('names: ["!"]', "`!` excludes nothing; write a pattern after it"),
        ('names: ["[]"]', "the pattern `[]` has a `[` without its `]`"),
        ('names: ["[!]"]', "the pattern `[!]` has a `[` without its `]`"),
        ('names: ["a\\x1b"]', "`a\\x1b` holds a control character"),
        ('names: ["\\ud800"]', "`\\ud800` holds a control character"),
        ("projects: {a: b}", "expected a list, got a mapping"),
        ("where: [a]", "expected a mapping, got a list"),
        ("where: {a: b, a: c}", "duplicate key `a`"),
        ("kind: instance", "duplicate key `kind`"),
    ],
)
def test_selectors_are_strict(body: str, problem: str) -> None:
    assert select_problems(body) == [problem]


@pytest.mark.parametrize("pattern", ["[a-z]*", "[!a]b", "[]]", "[!]]x", "a]"])
def test_balanced_globs_are_fine(pattern: str) -> None:
    policy = parse_policy(
        f'version: 1\nprotect: [{{name: r, select: {{kind: instance, names: ["{pattern}"]}}}}]', "p.yaml"
    )
    assert policy.protect[0].select.names == (pattern,)


@pytest.mark.parametrize("part", ["protect", "restore"])
def test_a_rule_that_says_nothing_is_refused(part: str) -> None:
    assert problems(f"version: 1\n{part}: [{{}}]\n") == [
        f"2:{len(part) + 4}: the key `name` is missing",
        f"2:{len(part) + 4}: the key `select` is missing",
    ]


@pytest.mark.parametrize(
    ("word", "meant"), [("yes", "true"), ("On", "true"), ("no", "false"), ("off", "false")]
)
def test_words_for_true_and_false_are_not_guessed(word: str, meant: str) -> None:
    assert rule_problems(f"backup: {{snapshot: {word}}}") == [
        f"expected true or false, got the text `{word}`; write `{meant}`"
    ]


@pytest.mark.parametrize("value", ["1", '"true"', "[]", "~"])
def test_only_true_and_false_are_truth_values(value: str) -> None:
    assert "expected true or false" in rule_problems(f"backup: {{snapshot: {value}}}")[0]


@pytest.mark.parametrize(
    "text",
    ["2026-11-01", "2026-11-01T00:00:00", "yesterday", "0001-01-01T00:00:00+09:00", "0099-01-01T00:00:00Z"],
)
def test_a_moment_needs_its_time_zone(text: str) -> None:
    rule = f'{{name: r, select: {{kind: instance}}, version: {{before: "{text}"}}}}'
    assert "expected a time with its zone" in problems(f"version: 1\nrestore: [{rule}]")[0]


def test_a_version_that_is_no_timestamp_is_refused() -> None:
    found = problems("version: 1\nrestore: [{name: r, select: {kind: instance}, version: lates}]")
    assert found[0].endswith("got the text `lates`; did you mean `latest`?")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "1:1: the file is empty; a policy begins with `version: 1`"),
        ("# only a comment\n", "1:1: the file is empty; a policy begins with `version: 1`"),
        ("- a\n", "1:1: expected a mapping with version,"),
        ("5\n", "1:1: expected a mapping with version,"),
        ("name: x\n", "1:1: the key `version` is missing"),
        ('version: "1"\n', "1:10: expected the policy version 1, got the text `1`; write it without quotes"),
        (f"version: {'9' * 5000}\n", "1:10: expected the policy version 1, got the number `9999"),
        ("version: 1\nversion: 1\n", "2:1: duplicate key `version`"),
        ("version: 1\n? [a]\n: b\n", "2:3: a key must be text, got a list"),
        ("version: 1\nprotect: x\n", "2:10: expected a list, got the text `x`"),
        (
            "version: 1\ndefaults:\n",
            f"2:1: expected a mapping with {', '.join(language.SETTINGS)}, got nothing",
        ),
        ("version: 1\nmaps: {pools: {a: 1}}\n", "2:19: expected text, got the number `1`"),
        ("version: 1\nmaps: {pools: {a: ../b}}\n", "2:19: the name '../b' starts with a dot"),
        ("version: 1\nname: !foo x\n", "2:7: YAML tags (`!foo`) are not supported"),
        ("version: 1\nname: !!python/object:os.system x\n", "2:7: YAML tags (`tag:yaml.org,2002:python/"),
        (
            "version: 1\nname: [!x ]\n",
            "2:8: YAML tags (`!x`) are not supported; text that starts with `!` needs",
        ),
        ("%YAML 1.1\n---\nversion: 1\n", "2:1: YAML directives"),
        ("version: 1\n---\nversion: 1\n", "2:1: a second YAML document"),
        ("version: 1\nname: *x\n", "2:7: the alias `*x` refers to an anchor that is not there"),
        ("version: 1\nprotect: &x [*x]\n", "2:14: the alias `*x` refers to what it is part of"),
        ("version: 1\nname: [*]\n", "2:9: not valid YAML: while scanning an alias"),
        ("version: 1\nname: a: b\n", "2:8: not valid YAML: mapping values are not allowed here"),
        ("version: 1\n<<: {name: x}\n", "2:1: merge keys (`<<`) are not supported"),
        ("version: 1\nname: \x00\n", "2:7: a character YAML does not allow"),
        ('version: 1\nname: "\\UFFFFFFFF"\n', "2:1: not valid YAML"),
        (b"version: 1\nname: \xff\n", "2:7: not UTF-8 text (byte 0xff)"),
        (b"\xff\xfev\x00", "1:1: not UTF-8 text (byte 0xff)"),
        ("[" * 100_000, "1:41: nested too deeply for a policy"),
        (b"#" * (1 << 20) + b"\n", "1:1: larger than 1 MiB; this is not a policy"),
    ],
    ids=range(29),
)
def test_malformed_files_are_refused_with_a_place(text: str | bytes, problem: str) -> None:
    found = problems(text)[0]
    assert found[: len(problem)] == problem


def test_aliases_that_multiply_cost_nothing() -> None:
    lines = ["version: 1", "a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    lines += ["protect: *a29"]
    assert len(problems("\n".join(lines))) == 31


def test_a_byte_order_mark_is_no_content() -> None:
    assert parse_policy(b"\xef\xbb\xbfversion: 1\n", "p.yaml").protect == ()


@pytest.mark.parametrize("char", ["\x85", "\u2028", "\u2029"])
def test_what_only_some_take_for_the_end_of_a_line_is_refused_as_it_stands(char: str) -> None:
    """The parser would read a space, and other programs the character itself."""
    [problem] = problems(f'version: 1\nname: "0{char}1"\n')
    assert problem.startswith(f"2:9: U+{ord(char):04X} ends a line for some readers of YAML only")
    [problem] = problems(f"version: 1 # {char}\n")
    assert problem.startswith("1:14: ")


def test_such_characters_can_be_written_as_escapes() -> None:
    assert parse_policy('version: 1\nname: "0\\L1"\n', "p.yaml") is not None
    assert "holds a control character" in problems('version: 1\nname: "0\\N1"\n')[0]
