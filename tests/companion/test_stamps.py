"""Stamps: a notebook is stale when, and only when, a module that its cells lead to has changed."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import nbformat
import pytest
from helpers import ROOT

from dynamix.companion import imports, stamps

LIBRARY = {
    "__init__": (
        "from typing import TYPE_CHECKING\n\n"
        "if TYPE_CHECKING:\n    from .forecasting.zero_shot import forecast as forecast\n\n"
        "__version__ = 1\n"
    ),
    "settings": "LIMIT = 3\nOTHER = 4\n",
    "metrics/__init__": (
        "from .chance import hidden\nfrom .errors import mase, mae\n__all__ = []\n"
    ),
    "metrics/chance": "def hidden(forecast):\n    return 0\n",
    "metrics/errors": (
        "from ..settings import LIMIT\n\n"
        "def mase(forecast):\n    return mae(forecast) / LIMIT\n\n"
        "def mae(forecast):\n    return forecast\n"
    ),
    "model/__init__": "from .dynamix import Model\n",
    "model/dynamix": (
        "class Model:\n    def step(self, x):\n        from ..metrics.errors import mae\n"
        "        return mae(x)\n"
    ),
    "forecasting/__init__": "from .zero_shot import forecast\n",
    "forecasting/zero_shot": (
        '"""One."""\nfrom typing import TYPE_CHECKING\nfrom .. import model\n'
        "from .tools import helper\n\n"
        "if TYPE_CHECKING:\n    from ..baselines.simple import Rival\n\n"
        "def forecast(x, rival: Rival = None):\n    return helper(model.Model().step(x))\n"
    ),
    "forecasting/tools": (
        "def helper(forecast):\n    return forecast\n\ndef side(x):\n    return x\n"
    ),
    "forecasting/idle": "from ..model import dynamix\n\ndef idle():\n    return dynamix.Model()\n",
    "rivals/__init__": "from .registry import rival\nfrom . import linear\n",
    "rivals/registry": (
        "_entries = {}\n\ndef register(name):\n    def add(function):\n"
        "        _entries[name] = function\n        return function\n    return add\n\n"
        "def rival(name):\n    return _entries[name]\n"
    ),
    "rivals/linear": (
        "from .registry import register\n\n@register('linear')\ndef linear(x):\n    return 3 * x\n"
    ),
    "rivals/apart": "def other(x):\n    return 4 * x\n",
    "baselines/simple": "class Rival:\n    size = 1\n",
}


@pytest.fixture
def library(tmp_path):
    """A project with a small library of the same name; returns its folder and how to edit it."""
    folder = tmp_path / "src" / "dynamix"
    for name, text in LIBRARY.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.py").write_text(text)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "a.csv").write_text("x\n1\n")

    def edit(module, old, new):
        text = (folder / f"{module}.py").read_text()
        assert old in text
        (folder / f"{module}.py").write_text(text.replace(old, new))
        imports.library.cache_clear()
        imports.graph.cache_clear()

    return tmp_path, edit


def stamped(root, *sources):
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in sources]
    )
    made = stamps.make(notebook, root=root, files=["results/a.csv"])
    notebook.metadata["dynamix"] = {"stamp": made}
    return notebook


def edited_text(root, module):
    return (root / "src" / "dynamix" / f"{module}.py").read_text()


# an edit of each module that a cell may lead to, and edits that make no cell stale
EDITS = {
    "settings": ("settings", "LIMIT = 3", "LIMIT = 5"),
    "errors": ("metrics/errors", "    return forecast\n", "    return 2 * forecast\n"),
    "chance": ("metrics/chance", "return 0", "return 1"),
    "model": ("model/dynamix", "return mae(x)", "return mae(2 * x)"),
    "forecast": ("forecasting/zero_shot", "Model().step(x)", "Model().step(-x)"),
    "idle": ("forecasting/idle", "dynamix.Model()", "dynamix.Model() + 1"),
    "tools": ("forecasting/tools", "return x", "return 7 * x"),
    "annotated": ("baselines/simple", "size = 1", "size = 2"),
    "registered": ("rivals/linear", "return 3 * x", "return 5 * x"),
    "not registered": ("rivals/apart", "return 4 * x", "return 5 * x"),
    "face": ("metrics/__init__", "__all__ = []", '__all__ = ["mae", "mase"]'),
    "module text": ("forecasting/zero_shot", '"""One."""', '"""Another text."""  # and a comment'),
    "docstring": ("metrics/errors", "def mae(forecast):\n", 'def mae(forecast):\n    "New."\n'),
}
FORECAST = {"forecast", "tools", "model", "errors", "settings"}
METRICS = {"errors", "settings"}


@pytest.mark.parametrize(
    ("cells", "stale"),
    [
        ("import dynamix\ny = dynamix.forecast(1)", FORECAST),
        ("from dynamix import forecast\n%time 1\nforecast(1)", FORECAST),
        ("from dynamix.forecasting.zero_shot import forecast as f\nf(1)", FORECAST),
        ("import dynamix\ndynamix.forecasting.forecast(1)", FORECAST),
        ("from dynamix import metrics; metrics.mase(1)", METRICS),
        ("import dynamix.metrics as m; m.mae(1)", METRICS),
        ("import dynamix\ndynamix.metrics.errors.mae(1)", METRICS),
        ("from dynamix import metrics\nm = metrics\nm.mae(1)", METRICS | {"chance", "face"}),
        ("from dynamix.metrics import chance\nf(chance)", {"chance"}),
        ("from dynamix import rivals\nrivals.rival('linear')", {"registered"}),
        ("from dynamix.rivals import registry\nregistry.rival('linear')", {"registered"}),
        (
            "from dynamix.forecasting import idle\nidle.idle()",
            {"idle", "model", "errors", "settings"},
        ),
        ("import dynamix\ndynamix.__version__", set()),
    ],
)
def test_only_what_the_cells_lead_to_makes_a_notebook_stale(library, cells, stale):
    root, edit = library
    notebook = stamped(root, "x = 1", cells)
    assert stamps.reasons(notebook, root=root) == []
    for name, (module, old, new) in EDITS.items():
        edit(module, old, new)
        dotted = "dynamix." + module.removesuffix("/__init__").replace("/", ".")
        expected = [f"src: {dotted} changed"] if name in stale else []
        assert stamps.reasons(notebook, root=root) == expected, name
        edit(module, edited_text(root, module), LIBRARY[module])


def test_what_a_cell_newly_leads_to_makes_a_notebook_stale(library):
    root, edit = library
    notebook = stamped(root, "from dynamix.forecasting import tools\ntools.side(1)")
    edit(
        "forecasting/tools",
        "    return x\n",
        "    from ..settings import OTHER\n    return OTHER\n",
    )
    assert stamps.reasons(notebook, root=root) == [
        "src: dynamix.forecasting.tools changed",
        "src: dynamix.settings is used now",
    ]


def test_cells_and_files_make_a_notebook_stale(library):
    root, _ = library
    notebook = stamped(root, "from dynamix import forecast", "forecast(1)")
    notebook.cells[1].source = "forecast( 1 )  # only dressed up"
    assert stamps.reasons(notebook, root=root) == []
    notebook.cells[1].source = "forecast(2)"
    (root / "results" / "a.csv").write_text("x\n2\n")
    assert stamps.reasons(notebook, root=root) == ["code cell 2 changed", "results/a.csv changed"]
    (root / "results" / "a.csv").unlink()
    missing = "results/a.csv is no longer used or no longer exists"
    assert missing in stamps.reasons(notebook, root=root)
    notebook.cells.append(nbformat.v4.new_code_cell("forecast(3)"))
    assert "3 code cells instead of 2" in stamps.reasons(notebook, root=root)
    assert stamps.reasons(nbformat.v4.new_notebook(), root=root) == ["it has no stamp"]


def test_results_and_package_files_that_are_read_are_told(tmp_path):
    package = tmp_path / "src" / "dynamix"
    for name in ("data/model.json", "data/model.safetensors", "datasets/registry.toml", "a.py"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).touch()
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "a.csv").touch()
    stamps.watch(str(tmp_path))
    for name in ("data/model.json", "datasets/registry.toml", "a.py"):
        (package / name).read_text()
    (tmp_path / "results" / "a.csv").read_text()
    (tmp_path / "results" / "new.csv").write_text("written, not read")
    stamps.tell(str(tmp_path), str(tmp_path / "opened.json"))
    assert json.loads((tmp_path / "opened.json").read_text()) == [
        "results/a.csv",
        "src/dynamix/data/model.json",
        "src/dynamix/data/model.safetensors",
        "src/dynamix/datasets/registry.toml",
    ]


def test_the_project_is_found_from_a_notebook():
    assert stamps.project(ROOT / "book" / "intro.ipynb") == ROOT
    assert stamps.project("/data/mine.ipynb") is None


def test_whatever_runs_was_reached(tmp_path, monkeypatch):
    """The graph of modules against what Python really calls."""
    monkeypatch.setenv("DYNAMIX_CACHE", str(tmp_path))
    code = (
        "import numpy as np\nfrom dynamix import forecast, metrics, plotting, systems\n"
        "x = np.sin(np.arange(900.0)[:, None] / [5.0, 7.0, 9.0])\n"
        'y = forecast(x[:400], horizon=500, engine="torch", gate_noise=False)\n'
        "metrics.mase(forecast=y, truth=x[400:])\nplotting.spectra(forecast=y, truth=x[400:])\n"
        "systems.split()\n"
    )
    source, called = ROOT / "src" / "dynamix", set()

    def hear(frame, event, _):
        if event == "call" and frame.f_code.co_filename.startswith(f"{source}{os.sep}"):
            path = Path(frame.f_code.co_filename).relative_to(source).with_suffix("")
            called.add(".".join(["dynamix", *path.parts]))

    exec(code, {})  # what runs at import is not asked for
    sys.setprofile(hear)
    try:
        exec(code, {})
    finally:
        sys.setprofile(None)
    called -= {"dynamix.__init__", "dynamix.lazy"}  # the front door imports at the first use
    assert len(called) > 15
    reached = imports.reached(code, source)
    assert called <= reached
    assert "dynamix.training.trainer" not in reached


def test_a_baseline_leads_to_every_registered_function():
    code = "from dynamix import baselines\nbaselines.baseline('parrot')"
    reached = imports.reached(code, ROOT / "src" / "dynamix")
    from dynamix.baselines import registry

    for entry in registry._entries.values():
        call = getattr(entry.function, "func", entry.function)
        assert call.__module__ in reached, entry.name
