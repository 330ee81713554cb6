"""Every exported name has its entry in the reference, with parameters, errors and an example."""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

import pytest
from helpers import ROOT

import dynamix
from dynamix.companion import house

FACES = ["dynamix", *(f"dynamix.{room}" for room in house.rooms())]
EXPORTED = {
    f"{face}.{name}": getattr(module, name)
    for face in FACES
    for module in [importlib.import_module(face)]
    for name in getattr(module, "__all__", [])
    if not inspect.ismodule(getattr(module, name))
}
ONCE = {  # what the front door exports too has its entry there
    path: thing
    for path, thing in EXPORTED.items()
    if path.count(".") == 1 or thing is not getattr(dynamix, path.rsplit(".", 1)[1], None)
}
CALLABLE = [path for path, thing in ONCE.items() if callable(thing) and hasattr(thing, "__doc__")]
OWN = [path for path in CALLABLE if getattr(ONCE[path], "__module__", "").startswith("dynamix")]
FUNCTIONS = [path for path in OWN if inspect.isfunction(ONCE[path])]
ROLES = re.compile(r":(?:func|class|meth|mod|data|attr):`~?(?:[^`<]*<)?(dynamix[\w.]*)>?`")


def documented(page: str) -> set[str]:
    """Names that autodoc lists for the page's module: all that it exports, less the excluded."""
    text = (ROOT / "book" / page).read_text(encoding="utf-8")
    (module, options), *more = re.findall(r"automodule:: ([\w.]+)\n((?: +:.*\n)*)", text)
    assert not more
    assert ":members:\n" in options
    excluded = set(re.findall(r"\w+", options.partition(":exclude-members:")[2]))
    names = {path for path in EXPORTED if path.rpartition(".")[0] == module}
    return {path for path in names if path.rpartition(".")[2] not in excluded}


def test_the_pages_list_what_is_exported():
    pages = ["api.md", *(f"api/{room}.md" for room in house.rooms())]
    assert set().union(*map(documented, pages)) == set(ONCE)


@pytest.mark.parametrize("path", FUNCTIONS)
def test_an_exported_function_shows_an_example(path):
    text = inspect.getdoc(ONCE[path]) or ""
    assert ">>> " in text, f"{path} has no doctested example"


@pytest.mark.parametrize("path", FUNCTIONS)
def test_an_exported_function_names_its_parameters_and_errors(path):
    function: Any = inspect.unwrap(ONCE[path])
    text, source = inspect.getdoc(function) or "", inspect.getsource(function)
    # the text alone: that an example passes a parameter says nothing about it
    prose = re.split(r"Examples\n---|>>> ", text)[0]
    missing = [
        name
        for name in inspect.signature(function).parameters
        if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", prose)
    ]
    assert not missing, f"the text of {path} does not mention {', '.join(missing)}"
    body = source.split('"""', 2)[-1]
    if re.search(r"^\s+raise \w", body, re.MULTILINE):
        assert "InputError" in text, f"{path} raises, but its text does not say what"


@pytest.mark.parametrize("path", OWN)
def test_references_lead_to_something(path):
    for target in ROLES.findall(inspect.getdoc(ONCE[path]) or ""):
        assert resolves(target), f"{path} refers to {target}, which does not exist"


def resolves(target: str) -> bool:
    """Whether a dotted name can be imported."""
    parts = target.split(".")
    thing: Any = dynamix
    for i, part in enumerate(parts[1:], 2):
        if not hasattr(thing, part):
            try:
                importlib.import_module(".".join(parts[:i]))
            except ImportError:
                fields = getattr(thing, "__dataclass_fields__", {})
                return part in fields and i == len(parts)
        thing = getattr(thing, part)
    return True


@pytest.mark.parametrize("path", [path for path, kind in ONCE.items() if inspect.isclass(kind)])
def test_settings_list_their_fields(path):
    kind: Any = ONCE[path]
    fields = getattr(kind, "__dataclass_fields__", {})
    if any("help" in field.metadata for field in fields.values()):
        assert all(re.search(rf"^{name}\b", inspect.getdoc(kind), re.MULTILINE) for name in fields)
