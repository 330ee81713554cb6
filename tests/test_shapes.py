"""Shapes and types are checked in every module that annotates them, and every shape can be read."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from helpers import ROOT

from dynamix.io import shapes

# they meet the user's input: their own messages come first
EXEMPT = ("dynamix.io.", "dynamix.plotting.", "dynamix.forecasting.", "dynamix.report.")
SOURCE, KINDS = ROOT / "src", tuple(shapes.__all__)
ANNOTATED = [
    path
    for path in sorted((SOURCE / "dynamix").rglob("*.py"))
    if re.search(rf"shapes import .*({'|'.join(KINDS)})\b", path.read_text(encoding="utf-8"))
]
ARITHMETIC = (ast.BinOp, ast.operator, ast.Name, ast.Constant, ast.Load)


def test_every_annotated_module_is_checked_while_tests_run():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    options = settings["tool"]["pytest"]["ini_options"]["addopts"]
    (names,) = (o.split("=")[1] for o in options if o.startswith("--jaxtyping-packages="))
    checked, missing = tuple(names.split(",")[:-1]), []
    for path in ANNOTATED:
        module = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        covered = any(f"{module}.".startswith(f"{name}.") for name in checked)
        missing += [] if covered or module.startswith(EXEMPT) else [module]
    assert missing == []


def is_axis(text: str) -> bool:
    """Whether it is the size of an axis: ``T``, ``3``, ``_``, ``#S``, ``*S``, ``{n}``, ``n+1``."""
    if text == "...":
        return True
    if text[:1] in ("#", "*"):
        return text[1:].isidentifier()
    try:
        inner = text[1:-1] if text[:1] == "{" else text
        parts = list(ast.walk(ast.parse(inner, mode="eval").body))
    except SyntaxError:
        return False
    return "(" not in text and all(isinstance(part, ARITHMETIC) for part in parts)


def broken_shapes(code: str) -> list[str]:
    """The annotations of arrays in ``code`` whose shape is no text of axes with single spaces."""
    tree, found = ast.parse(code), []
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and getattr(node.value, "id", None) in KINDS:
            shape = node.slice.elts[-1] if isinstance(node.slice, ast.Tuple) else None
            text = shape.value if isinstance(shape, ast.Constant) else None
            good = isinstance(text, str) and text.split() == text.removeprefix(" ").split(" ")
            if text != "" and not (good and all(map(is_axis, text.split()))):
                found.append(ast.unparse(node))
    return found


@pytest.mark.parametrize("path", ANNOTATED, ids=lambda path: path.stem)
def test_every_shape_can_be_read(path: Path):
    """The linter takes shapes for types, so its own rule is off."""
    assert broken_shapes(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "shape", ['"( T  # S N )"', '"T #"', '"T  N"', '"T, N"', '"(T N)"', "T", '"2n+1"', '"T N "']
)
def test_a_broken_shape_is_found(shape):
    line = "def f(x: Float[ndarray, {}]) -> None: ..."
    assert len(broken_shapes(line.format(shape))) == 1
    assert broken_shapes(line.format('"*K {n} #S 2*n+1 _ 3"')) == []


@pytest.mark.parametrize(("first", "same"), [("import sys", True), ("import jaxtyping", False)])
def test_shapes_are_checked_only_where_jaxtyping_is_loaded(first, same):
    code = f"{first}; from numpy import ndarray; from dynamix.io.shapes import Float\n"
    code += "print(Float[ndarray, 'T N'] is ndarray)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(same)


def test_no_other_module_needs_jaxtyping():
    found = {
        str(path.relative_to(SOURCE))
        for path in (SOURCE / "dynamix").rglob("*.py")
        if re.search(r"^\s*(from|import) jaxtyping", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert found == {"dynamix/io/shapes.py", "dynamix/companion/sphinx_extension.py"}


def test_the_modules_are_found():
    assert len(ANNOTATED) > 50
