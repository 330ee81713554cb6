"""README and guides say what is so."""

from __future__ import annotations

import contextlib
import io
import json
import re
import tomllib

import nbformat
import numpy as np
import pandas as pd
import pytest
from helpers import ROOT
from PIL import Image

import dynamix
from dynamix import systems
from dynamix.cli.parser import parser
from dynamix.companion import notebooks
from dynamix.model import DynaMix, count_parameters

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_readmes_five_lines_print_what_they_say(cache):
    (code,) = blocks("python")
    said = [float(text) for text in re.findall(r"^print\(.*#\s*([\d.]+)", code, re.MULTILINE)]
    assert len(said) == code.count("print(metrics") == 2
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})
    # ten thousand steps of chaos part by rounding between machines; the size stays
    numbers = [float(x) for x in printed.getvalue().splitlines() if "dynamix" not in x]
    np.testing.assert_allclose(numbers, said, atol=0.3)


def test_the_readmes_picture_is_what_the_bundled_model_does(cache):
    (path,) = re.findall(r"!\[.+?\]\((\S+)\)", README)
    with Image.open(ROOT / path) as picture:
        assert picture.width >= 900
        kept = np.array(json.loads(picture.text["Forecast"]))
    x = systems.trajectory("Lorenz", n=2000)
    now = dynamix.forecast(x, horizon=len(kept), model="dynamix-3d")
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


def test_the_readmes_rows_among_published_ones_are_the_stored_ones():
    stored = pd.concat(
        pd.read_csv(ROOT / f"results/suites_{kind}.csv") for kind in ("chaos", "real")
    )
    main = stored[stored["section"].isin(["held out", "all"])].drop_duplicates(["suite", "model"])
    rows = re.findall(r"^\| `([\w-]+)`, .* \| (.* [\d.]+) \|$", README, re.MULTILINE)
    assert [suite for suite, _ in rows] == ["dysts-2023", "dysts-2021", "gift-12"]
    for suite, cells in rows:
        known = main[main["suite"] == suite].set_index("model")
        told = [cell.rsplit(" ", 1) for cell in cells.split(", ")]
        assert [float(value) for _, value in told] == sorted(float(value) for _, value in told)
        for name, value in told:
            row = known.loc[name.strip("`†")]
            assert value == f"{row['value']:.{len(value.partition('.')[2])}f}", (suite, name)
            assert ("†" in name) == (row["by"] == "published")


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
        parser().parse_args(command.split()[1:])
    for path in re.findall(r"`((?:src|experiments|book|tests|binder)/[\w./-]*\w)/?`", text):
        if "NN_" not in path:
            assert (ROOT / path).exists(), path
