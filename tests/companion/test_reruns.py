"""Chapters that state results, on other systems, models and series: no sentence may become false.

``book/profiles.yml`` has three settings for each, as small as the chapters allow. What was written
for the default parameters must be folded. The rest must keep the laws of the book: no failure,
every figure drawn, no exact number outside of what is stored or folded.
"""

from __future__ import annotations

import ast
import re

import pytest
from helpers import ROOT

from dynamix import systems
from dynamix.companion import laws, notebooks, parts, run

BOOK = ROOT / "book"
PROFILES = ("other-1", "other-2", "other-3")
CHAPTERS = sorted(run.parameters_of(PROFILES[0]))


def test_the_chapters_that_state_results_have_three_settings_that_differ():
    assert {name[:2] for name in CHAPTERS} == {"in", "05", "06", "07", "08", "09"}
    for chapter in CHAPTERS:
        known = notebooks.parameters(BOOK / f"{chapter}.ipynb")
        defaults = {name: parameter.default for name, parameter in known.items()}
        settings = [defaults | run.parameters_of(profile)[chapter] for profile in PROFILES]
        assert all(settings.count(each) == 1 for each in settings)
        assert defaults not in settings


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_text_for_all_parameters_names_no_system_or_series_of_the_defaults(chapter):
    path = BOOK / f"{chapter}.ipynb"
    known, notebook = notebooks.parameters(path), notebooks.read(path)
    chosen = [known[n].default for n in ("system", "systems", "shown", "dataset") if n in known]
    names = {name for value in chosen for name in ([value] if isinstance(value, str) else value)}
    texts = [text for cell in notebook.cells for text in parts.figure(cell).values()]
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and not laws.FREE & set(parts.tags(cell)):
            texts += parts.paragraphs(parts.taught(cell.source))
    assert [(n, t) for n in names for t in texts if re.search(rf"\b{n}\b", t)] == []


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_code_in_text_for_all_parameters_passes_names_and_not_the_defaults(chapter):
    path = BOOK / f"{chapter}.ipynb"
    defaults = {repr(known.default) for known in notebooks.parameters(path).values()}
    for cell in notebooks.read(path).cells:
        if cell.cell_type == "markdown" and not laws.FREE & set(parts.tags(cell)):
            for code in re.findall(r"```python\n(.*?)```", parts.taught(cell.source), re.DOTALL):
                calls = [n for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Call)]
                passed = [ast.unparse(word.value) for call in calls for word in call.keywords]
                assert not defaults & set(passed), code


@pytest.mark.slow
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_rerun_leaves_no_false_sentence(chapter, profile, tmp_path):
    path, values = BOOK / f"{chapter}.ipynb", run.parameters_of(profile)[chapter]
    for name in ("constants.yml", "questions"):  # the laws read them beside the notebook
        (tmp_path / name).symlink_to(BOOK / name)
    output = notebooks.run(path, tmp_path / path.name, values=values)
    found = [*notebooks.problems(output), *notebooks.unfolded(output), *laws.problems(output)]
    assert [told for told in found if "words without its exercises" not in told] == []  # of folds
    default, made = notebooks.read(path), notebooks.read(output)
    written = [cell.source.strip() for cell in parts.tagged(default, "default-run")]
    folded = [cell.source for cell in made.cells if notebooks.FOLDED in cell.source]
    assert folded == [
        f"<details>\n<summary>{notebooks.FOLDED}</summary>\n\n{text}\n\n</details>"
        for text in written
    ]
    assert figures(made) == figures(default)
    if chapter == "intro":
        role = "training" if values["system"] in systems.split()["train"] else "held-out"
        assert f"{values['system']} is a {role} system" in said(made)


def figures(notebook) -> list[str]:
    """The names of the figures that are drawn."""
    return [parts.figure(cell)["name"] for cell in notebook.cells if parts.pictures(cell)]


def said(notebook) -> str:
    """The sentences that cells have made from results."""
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    return "\n".join(o.get("data", {}).get("text/markdown", "") for o in outputs)
