"""README and guides say what is so."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import tomllib

import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml
from helpers import ROOT
from PIL import Image

import dynamix
from dynamix import systems
from dynamix.cli.parser import parser
from dynamix.companion import notebooks, parts
from dynamix.companion.run import find
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


PAGES = ["README.md", "CONTRIBUTING.md"]
PAGES += [str(p.relative_to(ROOT)) for p in sorted((ROOT / "book").glob("*.[im][pd]*"))]
PROGRAMS = "dynamix|papermill|make|python|pip"
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def text_of(document: str) -> str:
    if not document.endswith(".ipynb"):
        return (ROOT / document).read_text(encoding="utf-8")
    return parts.text(nbformat.read(ROOT / document, as_version=4))


def printed(text: str) -> tuple[list[list[str]], list[list[str]]]:
    """The words of commands: those in blocks are whole, those within a line may be a part."""
    whole, fences = [], []
    for line in text.replace("\\\n", " ").splitlines():
        fence = re.match(r"\s*(`{3,}|~{3,})\s*(\S*)", line)
        if fence and fences and fence[1] == fences[-1][0] and not fence[2]:
            fences.pop()
        elif fence:
            fences.append(fence.groups())
        elif fences and fences[-1][1] in ("", "bash", "sh", "text", "console"):
            whole += re.findall(rf"^ *((?:{PROGRAMS}) .*)$", line)
    within = re.findall(rf"(?<!`)`((?:{PROGRAMS}) [^`]+)`(?!`)", text)
    return (
        [shlex.split(line, comments=True) for line in whole],
        [shlex.split(line) for line in within],
    )


def check_words(words: list[str]) -> None:
    """A command names a program, target, chapter, parameter and options that there are."""
    program, *rest = words
    if program == "make":
        names = [word for word in rest if "=" not in word]
        assert set(names) <= TARGETS, words
    elif program == "python":
        assert rest[0] == "-m" or (ROOT / rest[0]).is_file(), words
        if rest[0] != "-m":
            script = (ROOT / rest[0]).read_text() + (ROOT / "experiments/experiment.py").read_text()
            for option in (word for word in rest if word.startswith("--")):
                assert f'"{option}"' in script, (words, option)
    elif program == "papermill":
        known = notebooks.parameters(ROOT / rest[0])
        given = [rest[i + 1] for i, word in enumerate(rest) if word == "-p"]
        for i, word in enumerate(rest):
            if word == "-y":
                given += yaml.safe_load(rest[i + 1])
        assert set(given) <= set(known), words
    elif program == "dynamix":
        told = help_of(rest[: 2 if rest[0] == "book" and len(rest) > 1 else 1])
        for option in (word for word in rest if word.startswith("--")):
            assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", told), (words, option)
        if rest[0] in ("run", "sweep") and len(rest) > 1:
            known = notebooks.parameters(find(rest[1]))
            for i, word in enumerate(rest):
                assert word != "-p" or rest[i + 1] in known, words


def help_of(words: list[str]) -> str:
    told = io.StringIO()
    with contextlib.redirect_stdout(told), pytest.raises(SystemExit) as end:
        parser().parse_args([*words, "--help"])
    assert end.value.code == 0, words
    return told.getvalue()


@pytest.mark.parametrize("document", PAGES)
def test_printed_commands_name_what_there_is(document):
    whole, within = printed(text_of(document))
    for words in {tuple(words) for words in whole + within}:
        check_words(list(words))
    for words in whole:
        if words[0] == "dynamix":
            parser().parse_args(words[1:])  # a wrong word ends the test


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
def test_documents_name_files_that_exist(document):
    for path in re.findall(
        r"`((?:src|experiments|book|tests|binder)/[\w./-]*\w)/?`", text_of(document)
    ):
        if "NN_" not in path:
            assert (ROOT / path).exists(), path
