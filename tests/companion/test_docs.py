"""README, reference and guides say what is so."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import json
import re
import tomllib
from types import ModuleType

import nbformat
import numpy as np
import pytest
from helpers import ROOT
from PIL import Image

import dynamix
from dynamix.cli import commands as cli
from dynamix.companion import notebooks
from dynamix.model import DynaMix, count_parameters
from dynamix.systems import corpus as systems

README = (ROOT / "README.md").read_text(encoding="utf-8")
API = "\n".join(
    path.read_text(encoding="utf-8") for path in sorted((ROOT / "book" / "api").glob("*.md"))
)
MODULES = [name for name in dynamix.__all__ if isinstance(getattr(dynamix, name), ModuleType)]
NAMES = [name for name in dynamix.__all__ if name not in MODULES and name != "__version__"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def documented() -> dict[str, set[str] | None]:
    """Modules in the reference: the names listed for each, None where all members are."""
    found: dict[str, set[str] | None] = {}
    for module, options in re.findall(r"\.\. automodule:: dynamix\.([\w.]+)\n((?: +:.*\n)*)", API):
        members = re.search(r":members: *(.*)", options)
        assert members, f"dynamix.{module} is listed without :members:"
        listed = members.group(1)
        found[module] = {name.strip() for name in listed.split(",")} if listed else None
    for module, name in re.findall(r"\.\. auto(?:function|class):: dynamix\.(\w+)\.(\w+)", API):
        members = found.setdefault(module, set())
        if members is not None:
            members.add(name)
    return found


def members(module: str) -> list[str]:
    """The names that the reference shows of a module."""
    if listed := documented()[module]:
        return sorted(listed)
    here = importlib.import_module(f"dynamix.{module}")
    return sorted(
        key
        for key, value in vars(here).items()
        if not key.startswith("_")
        and (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__ == here.__name__
    )


@pytest.mark.parametrize("name", MODULES)
def test_every_public_module_is_in_the_reference(name):
    assert inspect.getdoc(getattr(dynamix, name))
    assert name in documented(), f"add dynamix.{name} to a page of book/api"


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_in_the_reference(name):
    thing = getattr(dynamix, name)
    listed = documented()[thing.__module__.removeprefix("dynamix.")]
    assert listed is None or thing.__name__ in listed


@pytest.mark.parametrize("name", sorted(documented()))
def test_every_name_of_the_reference_exists_and_is_documented(name):
    module = importlib.import_module(f"dynamix.{name}")
    for key in members(name):
        doc = inspect.getdoc(getattr(module, key))
        assert doc is not None, f"{name}.{key}"
        assert len(doc.split()) >= 4, f"{name}.{key}"


def test_the_readmes_five_lines_print_what_they_say(cache):
    (code,) = blocks("python")
    said = [float(text) for text in re.findall(r"^print\(.*#\s*([\d.]+)", code, re.MULTILINE)]
    assert len(said) == code.count("print(") == 2
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})
    # ten thousand steps of chaos part by rounding between machines; the size stays
    np.testing.assert_allclose([float(x) for x in printed.getvalue().split()], said, atol=0.3)


def test_the_readmes_picture_is_what_the_bundled_model_does(cache):
    (path,) = re.findall(r"!\[.+?\]\((\S+)\)", README)
    with Image.open(ROOT / path) as picture:
        assert picture.width >= 900
        kept = np.array(json.loads(picture.text["Forecast"]))
    x = systems.trajectory("Lorenz", n=2000)
    now = dynamix.forecast(x, horizon=len(kept))
    assert np.abs(now - kept).max() < 0.05 * x.std(), (
        "draw it anew: python experiments/readme_figure.py"
    )


def test_the_readmes_numbers():
    assert f"{count_parameters(DynaMix.from_pretrained('dynamix-3d')):,} parameters" in README
    assert f"{len(systems.split()['test'])} systems" in README
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"Python {project['requires-python'].removeprefix('>=')}" in README
    for name in ("CITATION.cff", "LICENSE", "LICENSE-WEIGHTS.md", "CONTRIBUTING.md"):
        assert name in README
        assert (ROOT / name).is_file()
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"version: {dynamix.__version__}\n" in citation
    assert f"## {dynamix.__version__}," in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "book/intro.ipynb"])
def test_commands_name_targets_parameters_and_options_that_exist(document):
    if document.endswith(".ipynb"):
        cells = nbformat.read(ROOT / document, as_version=4).cells
        text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    else:
        text = (ROOT / document).read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z][a-z-]+)", text, re.MULTILINE)) <= targets
    for path, rest in re.findall(r"(book/\w+\.ipynb)((?: \S+)*)", text):
        known = notebooks.parameters(ROOT / path) if (ROOT / path).is_file() else None
        for name in re.findall(r"-p (\w+)", rest):
            assert known is not None, path
            assert name in known, (path, name)
    for command in re.findall(r"^(dynamix (?:forecast|train|benchmark) .*)$", text, re.MULTILINE):
        cli.build_parser().parse_args(command.split()[1:])
    for path in re.findall(r"`((?:src|scripts|book|tests|binder)/[\w./-]*\w)`", text):
        if "NN_" not in path:
            assert (ROOT / path).exists(), path
