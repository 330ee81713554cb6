"""The house stays in order: faces, sizes, names, layers, and pages made from the code."""

from __future__ import annotations

import ast
import importlib
from graphlib import CycleError
from pathlib import Path

import pytest
from helpers import ROOT

from dynamix.companion import house

MODULES = sorted(path for path in house.PACKAGE.rglob("*.py") if path.name != "__init__.py")
TESTS = sorted((ROOT / "tests").glob("*/**/test_*.py"))
# Tests of something else than one module of their room: files, pages, a whole room.
OTHER_TESTS = {
    "companion": {
        "book",
        "contributing",
        "demo",
        "demo_use",
        "docs",
        "failure_modes",
        "lab",
        "pages",
        "prose",
        "published",
        "reference",
        "reruns",
    },
    "baselines": {"fracast"},
    "evaluation": {"real_world", "stored_results"},
    "experiments": {"headlines", "scripts"},
    "forecasting": {"golden"},
    "io": {"cases"},
    "training": {"golden"},
    "plotting": {"plotting", "turning_page"},
}


def name_of(path: Path) -> str:
    return path.relative_to(house.PACKAGE).as_posix()


@pytest.mark.parametrize("room", house.rooms())
def test_a_room_has_a_face(room):
    face = importlib.import_module(f"dynamix.{room}")
    assert house.summary(room)
    assert len(face.__all__) == len(set(face.__all__)) > 0
    for name in face.__all__:
        assert hasattr(face, name), name
    modules = {path.stem for path in (house.PACKAGE / room).glob("*.py")}
    assert not modules & set(face.__all__), "a module has the name of something that is exported"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_file_is_read_in_one_sitting(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 450
    if path.relative_to(house.PACKAGE).parts[0] not in ("cli", "companion"):
        calls = [node.func for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
        assert not any(isinstance(call, ast.Name) and call.id == "print" for call in calls)


@pytest.mark.parametrize("path", TESTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_test_mirrors_a_module(path):
    room = path.parent.relative_to(ROOT / "tests").as_posix()
    module = path.stem.removeprefix("test_")
    folder = ROOT if room == "experiments" else house.PACKAGE
    mirrored = (folder / room / f"{module}.py").is_file()
    assert mirrored != (module in OTHER_TESTS.get(room, ())), "rename it, or list it as another"


def test_layers_go_up():
    imports = {"top": {"middle", "low"}, "middle": {"low"}, "low": set()}
    assert house.layers(imports) == [["low"], ["middle"], ["top"]]
    with pytest.raises(CycleError):
        house.layers({"a": {"b"}, "b": {"a"}})
    found = house.layers(house.arrows())  # rooms import each other in no circle
    assert found[0] == ["errors", "lazy"]
    assert found[-1] == ["cli"]


def test_pages_are_made_anew():
    for path, text in house.pages().items():
        message = f"{path.name} is old: dynamix book house"
        assert path.read_text(encoding="utf-8") == text, message
    assert {path.stem for path in house.REFERENCE.glob("*.md")} == set(house.rooms())
