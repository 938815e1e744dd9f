"""``apply -f``: a plan is carried out only if it was made from exactly these policies as they are now."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from attrs import evolve

from incusbak import codec
from incusbak.model.plans import Meta, PlanFile
from incusbak.policyfile import load_policies
from tests.cli.command import Shell
from tests.cli.test_plan_files import PLAN

POLICY = "version: 1\nprotect:\n  - {{name: {name}, select: {{kind: instance, names: [{name}]}}}}\n"
FITS = 75
"""The code of an apply for which only the server is missing."""


@pytest.fixture
def repository(shell: Shell) -> Shell:
    """A folder ``policies`` with two policies."""
    for name in ("db", "web"):
        shell.file(f"policies/{name}.yaml", POLICY.format(name=name))
    return shell


def planned(shell: Shell, *files: str) -> str:
    """A plan made from these files as they are at this moment."""
    plan = evolve(PLAN, policies=load_policies([Path(file) for file in files]).files if files else ())
    meta = Meta("2026-03-01T12:30:00Z", "0.1.0")
    return shell.file("plan.json", codec.dump(PlanFile(meta, codec.digest(plan), plan)))


def apply(shell: Shell, *files: str, code: int) -> list[str]:
    """Apply the plan; return what is complained about, a line each."""
    flags = [word for file in files for word in ("-f", file)]
    return shell.fails("apply", "plan.json", "--yes", *flags, code=code).splitlines()


@pytest.mark.parametrize(
    "files",
    [
        ("policies",),
        ("policies/",),
        ("./policies",),
        ("policies/db.yaml", "policies/web.yaml"),
    ],
)
def test_a_plan_of_these_very_files_is_carried_out(repository: Shell, files: Sequence[str]) -> None:
    planned(repository, "policies")
    assert "remote local" in apply(repository, *files, code=FITS)[0]


def test_without_the_option_a_plan_is_carried_out_whatever_became_of_its_files(repository: Shell) -> None:
    planned(repository, "policies")
    (repository.home / "policies/web.yaml").write_text("changed: true\n")
    apply(repository, code=FITS)


def test_every_file_that_differs_is_missing_or_is_new_is_named(repository: Shell) -> None:
    repository.file("policies/mail.yaml", POLICY.format(name="mail"))
    planned(repository, "policies")
    (repository.home / "policies/db.yaml").write_text(POLICY.format(name="db") + "# a comment counts\n")
    (repository.home / "policies/mail.yaml").unlink()
    repository.file("policies/new.yaml", POLICY.format(name="new"))
    assert apply(repository, "policies", code=4) == [
        "the plan was not made from these policies:",
        "policies/db.yaml differs",
        "policies/mail.yaml is missing",
        "policies/new.yaml is new",
        "Hint: make the plan again from the policies as they are now, with the same -f from the same folder",
    ]


def test_a_policy_that_is_not_even_valid_any_more_differs(repository: Shell) -> None:
    planned(repository, "policies")
    (repository.home / "policies/db.yaml").write_bytes(b"\xff{[")
    assert apply(repository, "policies", code=4)[1] == "policies/db.yaml differs"


def test_what_is_no_policy_in_the_folder_does_not_count(repository: Shell) -> None:
    planned(repository, "policies")
    repository.file("policies/README.md", "about them")
    repository.file("policies/more/other.yaml", POLICY.format(name="other"))
    apply(repository, "policies", code=FITS)


@pytest.mark.parametrize(
    ("files", "complaints"),
    [
        (("policies/db.yaml",), ["policies/web.yaml is missing"]),
        (("policies", "extra.yaml"), ["extra.yaml is new"]),
        (("policies/web.yaml", "policies/db.yaml"), ["the same files are given in another order"]),
    ],
)
def test_other_files_or_another_order_make_another_policy(
    repository: Shell, files: Sequence[str], complaints: Sequence[str]
) -> None:
    repository.file("extra.yaml", POLICY.format(name="extra"))
    planned(repository, "policies")
    assert apply(repository, *files, code=4)[1:-1] == complaints


def test_files_are_told_by_the_paths_they_were_given_by(repository: Shell) -> None:
    planned(repository, "policies/db.yaml")
    elsewhere = str(repository.home / "policies/db.yaml")
    assert apply(repository, elsewhere, code=4)[1:-1] == [
        f"{elsewhere} is new",
        "policies/db.yaml is missing",
    ]


def test_a_plan_without_policies_was_made_from_none(repository: Shell) -> None:
    planned(repository)
    assert apply(repository, "policies/db.yaml", code=4)[1:-1] == ["policies/db.yaml is new"]


def test_a_file_that_can_not_be_read_is_a_usage_error(repository: Shell) -> None:
    planned(repository, "policies/db.yaml")
    (repository.home / "policies/db.yaml").unlink()
    assert apply(repository, "policies/db.yaml", code=64) == [
        "can't read the policy policies/db.yaml: No such file or directory"
    ]


def test_another_origin_is_found_before_consent_is_looked_at(repository: Shell) -> None:
    planned(repository, "policies")
    repository.file("policies/new.yaml", POLICY.format(name="new"))
    for more in ("--approve=01234567", "--force", "--dry-run"):
        complaint = repository.fails("apply", "plan.json", more, "-f", "policies", code=4)
        assert "policies/new.yaml is new" in complaint
