"""Stamps: a notebook is stale when, and only when, code that its cells lead to has changed."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import nbformat
import pytest
from helpers import ROOT

from dynamix.companion import stamps

LIBRARY = {
    "__init__": '_NAMES = {"forecast": "forecasting.zero_shot"}\n_ROOMS = ("metrics",)\n',
    "settings": "LIMIT = 3\nOTHER = 4\n",
    "metrics/__init__": 'from .errors import mase, mae\n__all__ = ["mae", "mase"]\n',
    "metrics/errors": (
        "from ..settings import LIMIT\n\n"
        "def mase(forecast):\n    return mae(forecast) / LIMIT\n\n"
        "def mae(forecast):\n    return forecast\n\n"
        "def hidden(forecast):\n    return 0\n"
    ),
    "model/__init__": "from .dynamix import Model\n",
    "model/dynamix": (
        "class Model:\n    def step(self, x):\n        from ..metrics.errors import mae\n"
        "        return mae(x)\n\ndef idle():\n    return 2\n"
    ),
    "forecasting/__init__": "from .zero_shot import forecast\n",
    "forecasting/zero_shot": (
        '"""One."""\nfrom typing import TYPE_CHECKING\nfrom .. import model\n'
        "from ..model import dynamix\n"
        "from .tools import helper\n\n"
        "if TYPE_CHECKING:\n    from ..baselines.simple import Rival\n\n"
        "def forecast(x, rival: Rival = None):\n    return helper(model.Model().step(x))\n\n"
        "def unused():\n    return dynamix.idle()\n"
    ),
    "forecasting/tools": (
        "def helper(forecast):\n    return forecast\n\ndef side(x):\n    return x\n"
    ),
    "baselines/__init__": "from .registry import baseline\n",
    "baselines/registry": (
        'TABLE = {"parrot": "simple:parrot", "far": "metrics.errors:hidden", "no": "a:b"}\n'
        "def baseline(name):\n    return TABLE[name]\n"
    ),
    "rivals/__init__": "from .registry import rival\nfrom . import linear\n",
    "rivals/registry": (
        "_entries = {}\n\ndef register(name):\n    def add(function):\n"
        "        _entries[name] = function\n        return function\n    return add\n\n"
        "def rival(name):\n    return _entries[name]\n\ndef count():\n    return 2\n"
    ),
    "rivals/linear": (
        "from .registry import register\n\n"
        "@register('linear')\ndef linear(x):\n    return 3 * x\n\ndef other(x):\n    return 4 * x\n"
    ),
    "baselines/simple": "def parrot(x):\n    return x\n\nclass Rival:\n    size = 1\n",
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
        stamps._modules.cache_clear()

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


# edits of one definition each, and the cells that they make stale
EDITS = {
    "settings": ("settings", "LIMIT = 3", "LIMIT = 5"),
    "another setting": ("settings", "OTHER = 4", "OTHER = 5"),
    "mase": ("metrics/errors", "mae(forecast) / LIMIT", "mae(forecast) + LIMIT"),
    "mae": ("metrics/errors", "    return forecast\n", "    return 2 * forecast\n"),
    "hidden": ("metrics/errors", "return 0", "return 1"),
    "method": ("model/dynamix", "return mae(x)", "return mae(2 * x)"),
    "idle": ("model/dynamix", "return 2", "return 7"),
    "forecast": ("forecasting/zero_shot", "Model().step(x)", "Model().step(-x)"),
    "unused": ("forecasting/zero_shot", "dynamix.idle()", "dynamix.idle() + 1"),
    "helper": ("forecasting/tools", "return forecast", "return -forecast"),
    "side": ("forecasting/tools", "return x", "return 7 * x"),
    "parrot": ("baselines/simple", "return x", "return -x"),
    "annotated": ("baselines/simple", "size = 1", "size = 2"),
    "registered": ("rivals/linear", "return 3 * x", "return 5 * x"),
    "not registered": ("rivals/linear", "return 4 * x", "return 5 * x"),
    "module text": ("forecasting/zero_shot", '"""One."""', '"""Another text."""  # and a comment'),
    "docstring": ("metrics/errors", "def mae(forecast):\n", 'def mae(forecast):\n    "New."\n'),
}
FORECAST = {"forecast", "helper", "method", "mae"}


@pytest.mark.parametrize(
    ("cells", "stale"),
    [
        ("import dynamix\ny = dynamix.forecast(1)", FORECAST),
        ("from dynamix import forecast\n%time 1\nforecast(1)", FORECAST),
        ("from dynamix.forecasting.zero_shot import forecast as f\nf(1)", FORECAST),
        ("import dynamix\ndynamix.forecasting.forecast(1)", FORECAST),
        ("from dynamix import metrics; metrics.mase(1)", {"mase", "mae", "settings"}),
        ("import dynamix.metrics as m; m.mae(1)", {"mae"}),
        ("import dynamix\ndynamix.metrics.errors.mae(1)", {"mae"}),
        ("from dynamix import metrics\nm = metrics\nm.mae(1)", {"mase", "mae", "settings"}),
        (
            "from dynamix.metrics import errors\nf(errors)",
            {"mase", "mae", "settings", "hidden"},
        ),
        ("from dynamix import baselines\nbaselines.baseline('parrot')", {"parrot", "hidden"}),
        ("from dynamix import rivals\nrivals.rival('linear')", {"registered"}),
        ("from dynamix.rivals import registry\nregistry.count()", set()),
        ("from dynamix import metrics\ndef f(metrics):\n    return metrics.mase", set()),
        ("from dynamix.forecasting import zero_shot\nzero_shot.unused()", {"unused", "idle"}),
        ("import dynamix\ndynamix.__version__", set()),
    ],
)
def test_only_what_the_cells_lead_to_makes_a_notebook_stale(library, cells, stale):
    root, edit = library
    notebook = stamped(root, "x = 1", cells)
    assert stamps.reasons(notebook, root=root) == []
    for name, (module, old, new) in EDITS.items():
        edit(module, old, new)
        dotted = "dynamix." + module.replace("/", ".")
        expected = [f"src: {dotted} changed"] if name in stale else []
        assert stamps.reasons(notebook, root=root) == expected, name
        edit(module, edited_text(root, module), LIBRARY[module])


def test_what_a_cell_newly_leads_to_makes_a_notebook_stale(library):
    root, edit = library
    notebook = stamped(root, "from dynamix import forecast\nforecast(1)")
    edit("forecasting/tools", "def helper(forecast):\n", "def helper(forecast):\n    side(1)\n")
    assert stamps.reasons(notebook, root=root) == ["src: dynamix.forecasting.tools changed"]
    edit("forecasting/tools", "    side(1)\n", "    from ..settings import OTHER\n    OTHER\n")
    assert "src: dynamix.settings is used now" in stamps.reasons(notebook, root=root)


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
    """The graph of names against what Python really calls."""
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
            parts = ["dynamix", *path.parts]
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            called.add((name, frame.f_code.co_qualname.split(".")[0]))

    exec(code, {})  # what runs at import is not asked for
    sys.setprofile(hear)
    try:
        exec(code, {})
    finally:
        sys.setprofile(None)
    graph = stamps.Graph(source)
    graph.follow(code)
    called -= {call for call in called if call[0] == "dynamix"}  # the lazy face
    assert len(called) > 20
    assert {c for c in called if not c[1].startswith("<")} <= graph.seen


def test_a_baseline_leads_to_every_registered_function():
    graph = stamps.Graph(ROOT / "src" / "dynamix")
    graph.follow("from dynamix import baselines\nbaselines.baseline('parrot')")
    from dynamix.baselines import registry

    for entry in registry._entries.values():
        call = getattr(entry.function, "func", entry.function)
        definition = call.__qualname__.split(".")[0]  # a method belongs to its class
        assert (call.__module__, definition) in graph.seen, entry.name
