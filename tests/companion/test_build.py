"""Building the pages: launch buttons, the note for Colab, Binder, the Makefile."""

from __future__ import annotations

import html
import os
import re
from types import SimpleNamespace

import pytest
import yaml
from helpers import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from dynamix import cli
from dynamix.companion import build, notebooks, run, sphinx_extension


@pytest.mark.parametrize(
    ("named", "in_project", "origin", "expected"),
    [
        (None, None, "", None),
        (None, None, "/somewhere/on/disk", None),
        (None, None, "git@github.com:me/mine.git", "https://github.com/me/mine"),
        (None, None, "https://github.com/me/mine.git", "https://github.com/me/mine"),
        (None, "https://github.com/c/d", "https://github.com/me/m", "https://github.com/c/d"),
        ("https://github.com/e/f/", "https://github.com/c/d", "", "https://github.com/e/f"),
    ],
)
def test_launch_buttons_lead_to_the_repository_that_is_there(named, in_project, origin, expected):
    address = build.choose_repository(named, in_project, origin)
    assert address == expected
    settings = build.configuration(address)
    assert ("launch_buttons" in settings) == (expected is not None)
    if expected:
        assert settings["repository"]["url"] == expected
        assert {"binderhub_url", "colab_url"} <= set(settings["launch_buttons"])


@pytest.mark.parametrize(
    ("address", "source", "told"),
    [
        ("https://github.com/me/mine", "01_first.ipynb", True),
        ("https://github.com/me/mine", "api.md", False),
        (None, "01_first.ipynb", False),
    ],
)
def test_a_notebook_that_can_be_launched_says_what_colab_needs(address, source, told):
    page = source.split(".")[0]
    env = SimpleNamespace(found_docs={page}, doc2path=lambda name: f"book/{source}")
    app = SimpleNamespace(
        env=env, config=SimpleNamespace(html_theme_options={"repository_url": address})
    )
    context = {"body": "<h1>A title</h1><p>Text.</p>"}
    sphinx_extension._note_for_colab(app, page, "page.html", context, None)
    assert ("launch-note" in context["body"]) == told
    if told:
        assert context["body"].startswith("<h1>A title</h1><details")
        cell = html.unescape(re.search("<pre>(.*)</pre>", context["body"], re.DOTALL).group(1))
        assert cell == sphinx_extension.colab_cell(address)
        assert address in cell


def test_binder_installs_this_library():
    environment = yaml.safe_load((ROOT / "binder" / "environment.yml").read_text())
    assert "python=3.11" in environment["dependencies"]
    assert os.access(ROOT / "binder" / "postBuild", os.X_OK)
    assert "--editable '.[book]'" in (ROOT / "binder" / "postBuild").read_text()


def test_pages_of_a_run_leave_the_committed_notebooks_alone(tmp_path, monkeypatch, capsys):
    """``make book`` runs into ``_build`` and builds from a copy of the sources with these runs."""
    book, built = tmp_path / "book", tmp_path / "_build"
    (book / "questions").mkdir(parents=True)
    (book / "demo.md").write_text("# Demo")
    cells = [new_markdown_cell("# A"), new_code_cell("x = 1", metadata={"tags": ["parameters"]})]
    cells.append(new_code_cell("print(x + 1)"))
    notebooks.write(new_notebook(cells=cells), book / "01_a.ipynb")
    for module in (build, run):
        monkeypatch.setattr(module, "BOOK", book)
        monkeypatch.setattr(module, "BUILD", built)
    monkeypatch.setattr(run, "warm_up", lambda: None)
    before = (book / "01_a.ipynb").read_bytes()
    assert cli.main(["book", "run", "--keep", "--jobs", "1"]) == 0
    assert "1 of 1 in" in capsys.readouterr().out
    assert (book / "01_a.ipynb").read_bytes() == before
    source = build.with_runs()
    assert sorted(path.name for path in source.iterdir()) == ["01_a.ipynb", "demo.md", "questions"]
    assert notebooks.read(source / "01_a.ipynb").cells[2].outputs[0].text == "2\n"


def test_the_makefile_names_every_target_and_script_that_is_there():
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE).group(1).split()
    assert set(phony) == set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for name in re.findall(r"experiments/(\w+\.py)", makefile):
        assert (ROOT / "experiments" / name).is_file(), name
    for words in re.findall(r"\$\(BIN\)/dynamix (book [a-z]+)", makefile):
        with pytest.raises(SystemExit) as caught:
            cli.main([*words.split(), "--help"])
        assert caught.value.code == 0
