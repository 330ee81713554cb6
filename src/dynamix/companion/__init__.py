"""The tooling of the book: run notebooks, sweep parameters, build pages, recompute results.

Only :mod:`dynamix.cli` imports it. Notebooks use :func:`dynamix.companion.notebooks.record`.
"""

from pathlib import Path

ROOT = Path(__file__).parents[3]  # the checkout of the book's repository
BOOK, BUILD, RESULTS = ROOT / "book", ROOT / "_build", ROOT / "results"

__all__ = ["ROOT"]
