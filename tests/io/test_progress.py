"""Progress bars show where somebody looks."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

from dynamix.io.progress import Shown, tqdm


@pytest.mark.parametrize(
    ("bar", "disable", "shown"),
    [(Shown, None, True), (Shown, True, False), (tqdm, None, False), (tqdm, False, True)],
)
def test_a_bar_shows_at_a_terminal_and_in_jupyter(bar, disable, shown):
    stream = io.StringIO()  # which is no terminal
    assert list(bar(range(3), file=stream, disable=disable)) == [0, 1, 2]
    assert ("100%" in stream.getvalue()) == shown


@pytest.mark.parametrize(("kernel", "session"), [(True, True), (True, False), (False, True)])
def test_only_an_open_notebook_is_watched(kernel, session):
    code = (
        "import sys, os\n"
        f"if {kernel}: sys.modules['ipykernel'] = sys\n"
        f"if {session}: os.environ['JPY_SESSION_NAME'] = 'a.ipynb'\n"
        "from dynamix.io.progress import tqdm, Shown\n"
        "print(tqdm is Shown)"
    )
    environment = {"PATH": "", "PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == str(kernel and session)
