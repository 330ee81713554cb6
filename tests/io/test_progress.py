"""Progress bars show where somebody looks."""

from __future__ import annotations

import io
import sys

import pytest

from dynamix.io.progress import tqdm


@pytest.mark.parametrize(
    ("jupyter", "disable", "shown"),
    [(True, None, True), (True, True, False), (False, None, False), (False, False, True)],
)
def test_a_bar_shows_at_a_terminal_and_in_jupyter(monkeypatch, jupyter, disable, shown):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    if jupyter:
        monkeypatch.setitem(sys.modules, "ipykernel", sys)
        monkeypatch.setenv("JPY_SESSION_NAME", "a.ipynb")
    stream = io.StringIO()  # which is no terminal
    assert list(tqdm(range(3), file=stream, disable=disable)) == [0, 1, 2]
    assert ("100%" in stream.getvalue()) == shown
