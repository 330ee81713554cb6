"""Run all of sktime's checks of a forecaster on DynaMixForecaster; any that fails is an error.

    python experiments/check_sktime.py

It takes several minutes.
"""

from __future__ import annotations

import logging
import sys

from sktime.utils import check_estimator

from dynamix.interfaces import DynaMixForecaster


def main() -> int:
    """Print the number of checks that passed, and the names and errors of those that failed."""
    logging.getLogger("dynamix").setLevel(logging.ERROR)
    results = check_estimator(DynaMixForecaster, raise_exceptions=False, verbose=False)
    failed = {name: found for name, found in results.items() if found != "PASSED"}
    for name, found in failed.items():
        print(f"FAILED {name}: {found!r}")
    print(f"{len(results) - len(failed)} passed, {len(failed)} failed")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
