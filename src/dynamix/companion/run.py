"""Running the book's own notebooks, and checking the committed ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError, one_of
from ..io.files import copy
from . import BOOK, BUILD, laws, notebooks
from . import sweep as sweeps


def chapters(
    names: Sequence[str] = (), *, stale: bool = False, folder: Path | None = None
) -> list[Path]:
    """The book's notebooks whose names begin with one of ``names``; none named: all of them.

    ``folder`` holds other copies of them.
    """
    paths = [
        path
        for path in sorted((folder or BOOK).glob("*.ipynb"))
        if not names or path.name.startswith(tuple(names))
    ]
    return [path for path in paths if notebooks.stale(path)] if stale else paths


def find(name: str) -> Path:
    """The notebook that a user names: a file, or a chapter by the beginning of its name.

    >>> find("05").name
    '05_zero_shot.ipynb'
    """
    path = Path(name)
    if path.exists() or path.suffix or path.name != name:
        return path
    found = chapters([name]) if name else []
    if len(found) != 1:
        raise InputError(
            f"no notebook {name!r}. Name a file that ends in .ipynb, or one of the chapters "
            f"{', '.join(known.stem for known in chapters())}; its number is enough."
        )
    return found[0]


def parameters_of(name: str | None) -> dict[str, dict[str, Any]]:
    """The parameters by notebook that a profile of ``book/profiles.yml`` sets."""
    if name is None:
        return {}
    import yaml

    profiles = yaml.safe_load((BOOK / "profiles.yml").read_text(encoding="utf-8"))
    one_of("profile", name, profiles)
    return {
        notebook: {k: tuple(v) if isinstance(v, list) else v for k, v in (values or {}).items()}
        for notebook, values in profiles[name].items()
    }


def run(
    paths: Sequence[Path],
    *,
    profile: str | None,
    jobs: int,
    say: Callable[[str], None],
    keep: bool = False,
) -> list[str]:
    """Run notebooks in place, or into ``_build``; returns what is wrong then.

    A committed notebook is replaced only by a run without failure, and neither under a profile nor
    with ``keep``.
    """
    values, folder = parameters_of(profile), BUILD / (profile or "run")

    def done(outcome: sweeps.Outcome) -> None:
        say(f"{outcome.job.path.name}: {outcome.error or f'{outcome.seconds:.0f} s'}")

    began = time.perf_counter()
    warm_up()
    outcomes = sweeps.run_all(
        # later chapters take longer: begin with them
        [sweeps.Job(p, folder / p.name, values.get(p.stem, {})) for p in reversed(paths)],
        workers=jobs,
        done=done,
    )
    written = [outcome.job for outcome in outcomes if outcome.error is None]
    say(f"{len(written)} of {len(paths)} in {time.perf_counter() - began:.0f} s")
    found = [f"{o.job.path.name} failed" for o in outcomes if o.error is not None]
    if profile or keep:
        found += [problem for job in written for problem in notebooks.problems(job.output)]
        changed = [job for job in written if job.values]
        return found + [problem for job in changed for problem in notebooks.unfolded(job.output)]
    for job in written:
        copy(job.output, job.path)
    return found + check([job.path for job in written])


def check(paths: Sequence[Path]) -> list[str]:
    """What is wrong with committed notebooks, in outputs and text, and why outputs are stale."""
    return [
        problem
        for path in paths
        for look in (notebooks.problems, laws.problems, notebooks.stale)
        for problem in look(path)
    ]


def warm_up() -> None:
    """Compile the kernels of forecasts once, so that not every notebook waits for them."""
    import numpy as np

    import dynamix
    from dynamix.model import checkpoints

    wave = np.sin(np.arange(700.0)[:, None] / np.array([5.0, 7.0, 9.0]))
    for model in checkpoints.bundled():
        dynamix.forecast(wave, horizon=3, model=model)
