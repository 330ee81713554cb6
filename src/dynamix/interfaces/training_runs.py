"""Several training runs side by side: other seeds or settings, a folder for each."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import InputError, about, one_of, whole_number
from ..evaluation.parallel import spread
from ..io.progress import tqdm
from ..settings import PATIENCE
from ..training import run_folder
from ..training.trainer import Trainer, train

_SECTIONS = ("model", "training", "defaults", "trajectories")


class _Run(NamedTuple):
    name: str
    folder: Path
    given: dict[str, Any]


def train_each(
    output: str | Path,
    runs: Mapping[str, Mapping[str, Any]],
    *,
    workers: int = 1,
    dask: str | None = None,
    resume: bool = False,
    done: Callable[[Path], None] | None = None,
) -> dict[str, Path]:
    """Train several models side by side; each run ends in the weights that it has alone.

    Parameters
    ----------
    output
        The folder that gets a folder for each run. Workers on other machines must see it, and
        the files that the settings name, under the same paths.
    runs
        The arguments of :func:`dynamix.training.train` for each run, by its folder's name:
        ``model``, ``training``, ``defaults`` and ``trajectories``. They are checked before anything
        is trained.
    workers, dask
        Processes of this machine; or the address of a Dask scheduler, whose workers are used. A run
        whose worker dies is continued by another one from its last checkpoint.
    resume
        Continue the runs in these folders. A folder without a run begins one.
    done
        Called with the folder of each finished run.

    Returns
    -------
    The folder of each run by its name; :func:`dynamix.training.read_log` reads its log.

    Raises
    ------
    InputError
        As :func:`dynamix.training.train`, with the name of the run. Runs that were finished by then
        keep their folders.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from dynamix import TrainingConfig
    >>> walk = np.random.default_rng(0).standard_normal((100, 3)).cumsum(axis=0)
    >>> small = {"epochs": 1, "batches_per_epoch": 2, "validate_every": 0, "engine": "torch"}
    >>> small |= {"context_length": 20, "window": 11, "overlap": 6}
    >>> runs = {
    ...     f"seed-{seed}": {"training": TrainingConfig(seed=seed, **small), "trajectories": [walk]}
    ...     for seed in (0, 1)
    ... }
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sorted(train_each(folder, runs))
    ['seed-0', 'seed-1']
    """
    workers = whole_number("workers", workers)
    todo = []
    for name, given in runs.items():
        for key in given:
            one_of("argument of a training run", key, _SECTIONS)
        folder = (Path(output) / name).absolute()  # a worker has a working directory of its own
        with about(name and f"run {name!r}"):
            trainer = Trainer(folder, **given)
            if resume and _begun(folder):
                trainer.resume()
            else:
                run_folder.refuse_existing(folder)
        todo.append(_Run(name, folder, dict(given)))
    if not todo:
        raise InputError("there is no run to train. Name at least one, with its settings.")
    if len({os.path.realpath(run.folder) for run in todo}) < len(todo):
        raise InputError(f"two of the runs {list(runs)} have the same folder. Rename one.")
    made = spread(_train, todo, workers=workers, dask=dask)
    # the bar of one run alone is that of its batches
    for name in tqdm(made, "runs", len(todo), disable=len(todo) == 1 or None, delay=PATIENCE):
        if done is not None:
            done(Path(output) / name)
    return {name: Path(output) / name for name in runs}


def _begun(folder: Path) -> bool:
    """Whether a folder holds a run, or the files of one that died before its first checkpoint."""
    names = (run_folder.STATE, run_folder.LOG, run_folder.MODEL, run_folder.BEST)
    return any(os.path.exists(folder / name) for name in names)


def _train(run: _Run) -> str:
    """Train one run, or continue it: its first worker may have died."""
    with about(run.name and f"run {run.name!r}"):
        train(run.folder, resume=_begun(run.folder), **run.given)
    return run.name
