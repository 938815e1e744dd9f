"""A module imports only from lower rows of the picture in ``incusbak.__doc__``."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import incusbak

PACKAGE = Path(incusbak.__file__).parent
ROWS = (
    {"__init__"},
    {"errors", "json_text", "plain_text"},
    {"model"},
    {"codec", "policyfile", "ports", "durable"},
    {"plan_schema", "course_file", "record_file"},
    {"engine"},
    {"kinds"},
    {"render", "incus", "repositories", "state"},
    {"cli"},
    {"__main__"},
)
KINDS_MAY_USE = {"errors", "model", "ports"}
THIRD_PARTY_HOMES = {
    "pylxd": {"incus"},
    "requests": {"incus"},
    "deepdiff": {"engine"},
    "cattrs": {"codec"},
    "jinja2": {"render"},
    "click": {"cli"},
    "rich": {"cli"},
    "multipart": {"kinds"},
}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def row_of(room: str) -> int:
    return next(number for number, rooms in enumerate(ROWS) if room in rooms)


def imports_of(module: Path) -> Iterator[str]:
    """Dotted names, relative ones made absolute."""
    package = ("incusbak", *module.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            yield from (".".join((*base, *filter(None, [node.module]), alias.name)) for alias in node.names)


def own_rooms(module: Path) -> set[str]:
    names = [name.split(".") for name in imports_of(module) if name.startswith("incusbak.")]
    return {
        parts[1] for parts in names if (PACKAGE / parts[1]).exists() or (PACKAGE / f"{parts[1]}.py").exists()
    }


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(PACKAGE)))
def test_a_module_imports_only_from_lower_rows(module: Path) -> None:
    room = room_of(module)
    upward = {other for other in own_rooms(module) - {room} if row_of(other) >= row_of(room)}
    assert upward == set()


@pytest.mark.parametrize("module", sorted(PACKAGE.glob("kinds/**/*.py")), ids=lambda m: m.stem)
def test_kinds_know_only_model_ports_and_errors(module: Path) -> None:
    assert own_rooms(module) - {"kinds"} <= KINDS_MAY_USE


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(PACKAGE)))
def test_third_party_libraries_stay_in_their_rooms(module: Path) -> None:
    used = {name.split(".")[0] for name in imports_of(module)}
    strays = {
        library
        for library in used & THIRD_PARTY_HOMES.keys()
        if room_of(module) not in THIRD_PARTY_HOMES[library]
    }
    assert strays == set()


ENGINE = (
    {"ownership", "retention", "leftovers", "resumption"},
    {"selection"},
    {"planning"},
    {"execution", "observation"},
    {"reporting"},
)
"""The floors of the engine, as ``incusbak.engine.__doc__`` draws them."""


def floor_of(place: str) -> int:
    return next(number for number, floor in enumerate(ENGINE) if place in floor)


@pytest.mark.parametrize(
    "module", sorted(PACKAGE.glob("engine/*/*.py")), ids=lambda m: "/".join(m.parts[-2:])
)
def test_a_module_of_the_engine_imports_only_from_lower_floors(module: Path) -> None:
    here = module.parent.name
    used = {name.split(".")[2] for name in imports_of(module) if name.startswith("incusbak.engine.")}
    assert {place for place in used - {here} if floor_of(place) >= floor_of(here)} == set()


def test_every_room_of_the_engine_is_on_a_floor() -> None:
    there = {
        path.stem
        for path in PACKAGE.glob("engine/*")
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert there - {"__init__"} == set().union(*ENGINE)


def test_every_package_says_what_lives_there() -> None:
    packages = [path.parent for path in PACKAGE.rglob("__init__.py")]
    silent = [
        str(p) for p in packages if not (ast.get_docstring(ast.parse((p / "__init__.py").read_text())) or "")
    ]
    assert silent == []


def test_every_room_has_a_row() -> None:
    rooms = {room_of(module) for module in MODULES}
    assert rooms <= set().union(*ROWS)
