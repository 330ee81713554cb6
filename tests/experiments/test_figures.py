"""The counts of a source tree."""

from __future__ import annotations

import figures

CODE = '''"""Two lines
of text."""

# a comment of its own
x = 1  # beside code


def forecast(a, b, c, d): ...


def f(a, *, b):
    """One line."""
    return "no docstring"
'''


def test_lines_of_code_and_documentation_are_told_apart(tmp_path):
    (tmp_path / "a.py").write_text(CODE)
    lines, code, documented = figures.lines_of(tmp_path / "a.py")
    assert (lines, code, documented) == (13, 4, 4)
    assert figures.most_parameters([tmp_path / "a.py"]) == 2


def test_rooms_and_the_core_add_up(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "in_a_process", lambda code, source: "-")
    for name in ("settings.py", "engine/__init__.py", "engine/a.py", "metrics/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(CODE)
    found = figures.figures(tmp_path)
    assert (found["modules"], found["modules outside a room"]) == ("4", "1")
    assert (found["lines"], found["lines of the core"]) == ("52", "26")
    assert (found["lines of engine"], found["lines of metrics"]) == ("26", "13")
