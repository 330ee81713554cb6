"""The tooling of the book: run notebooks, sweep parameters, build pages, recompute results.

Only :mod:`dynamix.cli` imports it. Notebooks use :func:`dynamix.companion.notebooks.record`.
"""

from pathlib import Path

from ..errors import InputError

ROOT = Path(__file__).parents[3]  # the checkout of the book's repository
BUILD, RESULTS = ROOT / "_build", ROOT / "results"
CHECKOUT = (ROOT / "_toc.yml").is_file()
# a wheel holds the chapters without their outputs
BOOK = ROOT / "book" if CHECKOUT else Path(__file__).parents[1] / "data" / "book"

__all__ = ["ROOT"]


def in_checkout() -> None:
    """Raise unless this package lies in a checkout of the book's repository."""
    if not CHECKOUT:
        raise InputError(
            "'dynamix book' makes the book in a checkout of its repository, and this is an "
            "installed package. Run a chapter of it with: dynamix run 05"
        )
