"""Papermill's engine with two additions: it tells of every cell, and of the files opened."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyter_core.utils import run_sync
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines

_NAME = "dynamix"
_STAMPS = "__import__('dynamix.companion.stamps', fromlist=['stamps'])"
_SECONDS = 120.0  # for the kernel to answer a question of ours


def register() -> str:
    """Make the engine known to papermill; returns its name."""
    papermill_engines.register(_NAME, Engine)
    return _NAME


class _Client(PapermillNotebookClient):
    """Runs a line of ours before the first cell and one after the last, leaving no trace."""

    def watch(self, root: str | None, opened: list[str]) -> None:
        self._root, self._found = root, opened

    def papermill_execute_cells(self) -> None:
        # a busy machine or an empty cache makes the kernels say so, which no page should show
        self._quietly("__import__('logging').getLogger('dynamix.engine.runtime').setLevel('ERROR')")
        if self._root is None:
            super().papermill_execute_cells()
            return
        self._quietly(f"{_STAMPS}.watch({self._root!r})")
        super().papermill_execute_cells()
        with tempfile.TemporaryDirectory() as folder:
            answer = Path(folder) / "opened.json"
            self._quietly(f"{_STAMPS}.tell({self._root!r}, {str(answer)!r})")
            if answer.is_file():
                self._found += json.loads(answer.read_text(encoding="utf-8"))

    def _quietly(self, code: str) -> None:
        run_sync(self.kc.execute_interactive)(
            code,
            silent=True,
            store_history=False,
            allow_stdin=False,
            stop_on_error=False,
            timeout=_SECONDS,
        )


class Engine(NBClientEngine):
    """Papermill's own engine, for :func:`dynamix.companion.notebooks.run`."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        *,
        step: Callable[[int, int, str], None],
        root: str | None,
        opened: list[str],
        start_timeout: int = 60,
        **_: Any,
    ) -> None:
        """Execute the notebook; ``step`` hears of every cell, ``opened`` is filled at the end."""
        cells = nb_man.nb.cells
        headings = _headings(cells)
        start, complete = nb_man.cell_start, nb_man.cell_complete

        def cell_start(cell: Any, cell_index: int | None = None, **given: Any) -> None:
            step((cell_index or 0) + 1, len(cells), headings[cell_index or 0])
            start(cell, cell_index, **given)

        nb_man.cell_start, nb_man.cell_complete = cell_start, complete
        client = _Client(
            nb_man, kernel_name=kernel_name, timeout=None, startup_timeout=start_timeout
        )
        client.watch(root, opened)
        client.execute()


def _headings(cells: Any) -> list[str]:
    """The heading above each cell."""
    found, current = [], ""
    for cell in cells:
        if cell.cell_type == "markdown":
            for line in cell.source.splitlines():
                if line.startswith("#"):
                    current = line.lstrip("# ").strip()
        found.append(current)
    return found
