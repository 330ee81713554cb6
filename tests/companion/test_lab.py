"""The notebooks in a real JupyterLab, as students open them: text, figures, progress."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from companion.demo_page import PATIENCE
from helpers import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from dynamix.companion import notebooks

BIN = Path(sys.executable).parent
LAB = shutil.which("jupyter-lab", path=os.pathsep.join([str(BIN), os.environ.get("PATH", "")]))
pytestmark = pytest.mark.skipif(LAB is None, reason="needs JupyterLab: pip install '.[book]'")

FIGURES = """\
import numpy as np
from matplotlib.figure import Figure
from dynamix import plotting
x = np.random.default_rng(0).normal(size=(300, 3)).cumsum(axis=0)
two = {"one": Figure(), "two": Figure()}
display(plotting.choose(two, label="of two", alt={"one": "a", "two": "b"}))
display(plotting.play(context=x[:100], forecast=x[100:], truth=x[100:], alt="A walk."))
display(plotting.turnable({"truth": x}, alt="The same walk."))
"""
BAR = """\
from dynamix.io.progress import tqdm
for _ in tqdm(range(3), desc="counting", disable=None): pass
"""

# a note's lines, and those of the next block in its cell, which may not be the same
LAID_OVER = """cells => cells.flatMap(cell => [...cell.querySelectorAll('aside.myst-aside')].filter(
  note => {
    if (!note.innerText.trim()) return false;  // not drawn, because it is far away
    const lines = [...note.querySelectorAll('p')].map(p => p.getBoundingClientRect());
    const low = Math.max(...lines.map(box => box.bottom));
    const next = note.nextElementSibling?.getBoundingClientRect();
    return low > cell.getBoundingClientRect().bottom + 2
      || (next && low > next.top + 2 && lines[0].left < next.right);
  }).map(note => note.innerText))"""

NOTES = """cells => cells.flatMap(cell => [...cell.querySelectorAll('aside.myst-aside')].map(
  (note, k) => note.innerText.trim() && `${cell.dataset.windowedListIndex} ${k}`
)).filter(Boolean)"""

# the last look at a cell counts: it is plain text until it is drawn
TEXTS = """cells => cells.filter(cell => cell.innerText.trim())
  .map(cell => [cell.dataset.windowedListIndex, cell.innerText])"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two chapters, and a notebook with what a chapter's cells may hold."""
    folder = tmp_path_factory.mktemp("lab")
    for name in ("03_architecture.ipynb", "09_your_data.ipynb"):
        shutil.copy(ROOT / "book" / name, folder)
    told = new_markdown_cell("The *default* says 3.", metadata={"tags": ["default-run"]})
    own = new_notebook(cells=[told, new_code_cell(FIGURES), new_code_cell(BAR)])
    own.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    notebooks.write(notebooks.fold(own), folder / "own.ipynb")
    return folder


@pytest.fixture(scope="module")
def server(folder, tmp_path_factory) -> Iterator[tuple[str, str]]:
    """The address and the token of a JupyterLab with settings of its own and this Python."""
    home = tmp_path_factory.mktemp("jupyter")
    kernel = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3",
        "language": "python",
        "env": {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"},
    }
    spec = home / "data" / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(json.dumps(kernel))
    own = {f"JUPYTER_{k.upper()}_DIR": str(home / k) for k in ("config", "data", "runtime")}
    own["JUPYTER_PREFER_ENV_PATH"] = "0"  # the kernel made here, not one that lies beside Python
    words = [LAB, "--no-browser", "--port=0", "--allow-root", f"--ServerApp.root_dir={folder}"]
    words += ["--KernelSpecManager.ensure_native_kernel=False"]
    with (home / "log").open("w") as log:
        running = subprocess.Popen(
            words, env=os.environ | own, cwd=folder, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            until = time.monotonic() + PATIENCE / 1000
            while not (found := list((home / "runtime").glob("jpserver-*.json"))):
                assert running.poll() is None, (home / "log").read_text()
                assert time.monotonic() < until, (home / "log").read_text()
                time.sleep(0.2)
            time.sleep(0.2)  # the file is being written
            told = json.loads(found[0].read_text())
            yield told["url"], told["token"]
        finally:
            running.terminate()
            running.wait()


@pytest.fixture
def open_notebook(browser, server) -> Iterator[Any]:
    """Open a notebook of the folder in a wide and high window; all its text is then there."""
    url, token = server
    made = []

    def opened(name: str) -> Any:
        page = browser.new_page(viewport={"width": 1400, "height": 3000})
        made.append(page)
        page.set_default_timeout(PATIENCE)
        page.goto(f"{url}lab/workspaces/{Path(name).stem}/tree/{name}?token={token}")
        page.wait_for_selector(".jp-Notebook .jp-Cell", state="attached")
        page.wait_for_selector(".jp-MarkdownCell :is(h1, p)", state="attached")
        return page

    yield opened
    for page in made:
        page.close()


def down(page: Any) -> Iterator[None]:
    """Scroll to the end, with a stop wherever cells are drawn."""
    panel = page.locator(".jp-WindowedPanel-outer").first
    at = -1
    for _ in range(60):
        yield
        now = panel.evaluate("e => (e.scrollBy(0, 2500), e.scrollTop)")
        page.wait_for_timeout(400)
        if now == at:
            return
        at = now
    raise AssertionError("the notebook has no end")


@pytest.mark.parametrize("name", ["03_architecture.ipynb", "09_your_data.ipynb"])
def test_a_chapters_text_is_readable(open_notebook, folder, name):
    page = open_notebook(name)
    seen: dict[str, str] = {}
    titles, solutions, notes = set(), set(), set()
    for _ in down(page):
        cells = page.locator(".jp-MarkdownCell:visible")
        assert cells.evaluate_all(LAID_OVER) == []
        seen |= dict(cells.evaluate_all(TEXTS))
        notes |= set(cells.evaluate_all(NOTES))
        titles |= set(page.locator(".myst-exercise-title").all_inner_texts())
        solutions |= {shown for shown in page.locator("summary").all_inner_texts() if shown}
        assert page.locator("details[open]").count() == 0  # nobody sees a solution unasked
    raw = (folder / name).read_text(encoding="utf-8")
    assert len(notes) == raw.count("```{margin}") > 0
    assert len(solutions) == raw.count("{solution}") > 0
    for title in re.findall(r"`{exercise} (.*?)\\n", raw):
        assert any(title in shown for shown in titles), title
    text = "\n".join(seen.values())
    assert re.findall(r"\{[a-z:]+\}`|^```|^:::|^:\w+:", text, re.MULTILINE) == []


def test_figures_progress_and_folded_text_work(open_notebook):
    page = open_notebook("own.ipynb")
    folded = page.locator(".jp-MarkdownCell details")
    assert folded.locator("em").is_hidden()
    folded.locator("summary").click()
    folded.locator("em").wait_for(state="visible")  # and its text is no bare Markdown

    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]", state="attached")
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    bar = page.locator(".jp-OutputArea-output", has_text="counting: 100%")
    bar.wait_for(state="visible")
    pictures = page.locator(".dynamix-pictures img")
    assert [pictures.nth(i).is_visible() for i in range(2)] == [True, False]
    page.locator(".dynamix-choice").get_by_text("two", exact=True).click()
    assert [pictures.nth(i).is_visible() for i in range(2)] == [False, True]
    for drawn in (".dynamix-playing img", ".dynamix-turnable img"):
        assert page.locator(drawn).evaluate("e => e.complete && e.naturalWidth") > 300
