"""The front page: its names, its speed, and the authors' package of the same name."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import dynamix

PACKAGE = Path(dynamix.__file__).parent


def python(code: str, *path: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path))}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_the_front_page_is_short_and_every_name_is_there():
    assert len(dynamix.__all__) <= 25
    assert set(dynamix.__all__) >= {"forecast", "train", "DynaMix", "metrics", "systems"}
    for name in dynamix.__all__:
        assert getattr(dynamix, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'forcast'"):
        _ = dynamix.forcast


def test_import_is_light():
    heavy = ("torch", "numba", "matplotlib", "pandas", "scipy", "dysts", "numpy")
    code = f"import sys, dynamix; print([m for m in {heavy} if m in sys.modules])"
    done = python(code, PACKAGE.parent)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_every_room_is_imported_at_its_first_use():
    rooms = sorted(
        {path.parent.name for path in PACKAGE.glob("*/__init__.py")} - {"cli", "companion"}
    )
    code = f"import dynamix; print(*(getattr(dynamix, room).__name__ for room in {rooms}))"
    assert python(code, PACKAGE.parent).stdout.split() == [f"dynamix.{room}" for room in rooms]


def test_training_needs_no_figures_and_no_rivals():
    code = (
        "import sys, dynamix.training; print({m.split('.')[1] for m in sys.modules if 'mix.' in m})"
    )
    rooms = set(ast.literal_eval(python(code, PACKAGE.parent).stdout))
    assert rooms >= {"training", "systems", "forecasting"}
    assert not rooms & {"plotting", "evaluation", "baselines", "companion", "cli", "report"}


def test_the_authors_package_beside_ours_is_an_error(tmp_path):
    (tmp_path / "dynamix").symlink_to(PACKAGE)
    (tmp_path / "DynaMix_python-1.0.0.dist-info").mkdir()
    done = python("import dynamix", tmp_path)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: the authors' package DynaMix-python")
    assert last.endswith("install them in two environments.")


def test_the_authors_package_elsewhere_is_a_warning(tmp_path):
    (tmp_path / "dynamix_python-1.0.0.dist-info").mkdir()
    done = python("import dynamix; print(dynamix.__version__)", PACKAGE.parent, tmp_path)
    assert done.stdout.strip() == dynamix.__version__
    assert "DynaMix-python" in done.stderr
    assert "this one hides it" in done.stderr
