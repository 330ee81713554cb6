"""Papermill's engine, which also lists opened files, and what legends name and nobody sees."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from jupyter_core.utils import run_sync
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines

_NAME = "dynamix"
_STAMPS = "__import__('dynamix.companion.stamps', fromlist=['stamps'])"
_LEGENDS = "__import__('dynamix.companion.legends', fromlist=['legends'])"
# a busy machine or an empty cache makes the kernels log it, which no page should show
_QUIET = "__import__('logging').getLogger('dynamix.engine.runtime').setLevel('ERROR')"


def register() -> str:
    """Make the engine known to papermill; returns its name."""
    papermill_engines.register(_NAME, Engine)
    return _NAME


class _Client(PapermillNotebookClient):
    """Runs code before the first cell and after the last cell, which leaves no trace."""

    def papermill_execute_cells(self) -> None:
        self._silently(_QUIET)
        if self.root is None:
            super().papermill_execute_cells()
            return
        self._silently(f"{_STAMPS}.watch({self.root!r}); {_LEGENDS}.watch()")
        super().papermill_execute_cells()
        with tempfile.TemporaryDirectory() as folder:
            opened, undrawn = Path(folder) / "opened.json", Path(folder) / "undrawn.json"
            self._silently(f"{_STAMPS}.tell({self.root!r}, {str(opened)!r})")
            self._silently(f"{_LEGENDS}.tell({str(undrawn)!r})")
            for answer, found in ((opened, self.opened), (undrawn, self.undrawn)):
                if answer.is_file():
                    found += json.loads(answer.read_text(encoding="utf-8"))

    def _silently(self, code: str) -> None:
        options = {"silent": True, "store_history": False, "stop_on_error": False}
        run_sync(self.kc.execute_interactive)(code, allow_stdin=False, timeout=120.0, **options)


class Engine(NBClientEngine):
    """Papermill's own engine, for :func:`dynamix.companion.notebooks.run`."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        *,
        root: str | None,
        opened: list[str],
        undrawn: list[str],
        **_: Any,
    ) -> None:
        """Execute the notebook; ``opened`` and ``undrawn`` are filled at the end."""
        client = _Client(nb_man, kernel_name=kernel_name, timeout=None, startup_timeout=60)
        client.root, client.opened, client.undrawn = root, opened, undrawn
        client.execute()
