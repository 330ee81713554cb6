"""Ensembles: one context, several draws of the gate's noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from tqdm import tqdm

from ..errors import InputError, whole_number

Drawn = TypeVar("Drawn")

_PATIENCE = 2.0  # seconds without a progress bar


def sample_seed(seed: int, i: int) -> int:
    """The seed of an ensemble's sample ``i``: of sample 0 the seed itself, else a hash of both.

    A longer ensemble thus begins with the shorter one, and ensembles of neighbouring seeds have no
    sample in common. Both ``seed`` and ``i`` are whole numbers, 0 or more; so is the result, below
    ``2^63``.

    Raises
    ------
    InputError
        If either is not such a number.

    Examples
    --------
    >>> sample_seed(7, 0)
    7
    >>> sample_seed(7, 1) == sample_seed(8, 0)
    False
    >>> sample_seed(7, -1)
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: i must be an integer of at least 0, found -1.
    """
    seed, i = whole_number("seed", seed, least=0), whole_number("i", i, least=0)
    if i == 0:
        return seed
    # 63 bits: the noise's generator takes signed numbers
    return int(np.random.SeedSequence([seed, i]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def draw(sample: Callable[[int], Drawn], seeds: Sequence[int]) -> list[Drawn]:
    """``sample`` of every seed, side by side on this machine's cores, in the seeds' order.

    Threads suffice: the compiled kernels do not hold the interpreter's lock.

    Parameters
    ----------
    sample
        Called with one seed; calls may run at the same time.
    seeds
        At least one; see :func:`sample_seed`.

    Returns
    -------
    A list of what ``sample`` returned. What it raises is raised.

    Raises
    ------
    InputError
        If there are no seeds.

    Examples
    --------
    >>> draw(lambda seed: np.random.default_rng(seed).normal(size=4).shape, [3, 1])
    [(4,), (4,)]
    >>> draw(lambda seed: 10 * seed, [3, 1, 2])
    [30, 10, 20]
    """
    from ..engine.runtime import available_cores

    if not len(seeds):
        raise InputError("an ensemble needs at least one seed, found none.")
    with ThreadPoolExecutor(min(available_cores(), len(seeds))) as threads:
        parts = threads.map(sample, seeds)
        return list(tqdm(parts, total=len(seeds), desc="samples", disable=None, delay=_PATIENCE))


def stack(samples: Sequence[Any]) -> Any:
    """Forecasts of one context as an ensemble, in their own kind.

    Arrays and tensors get a first axis. Frames get a first column level ``sample``; pandas series
    become a frame with a column for each sample. In every case ``ensemble[i]`` is sample i.

    ``samples`` are at least one forecast, all alike in kind and shape.

    Raises
    ------
    InputError
        If there are none, or arrays of several shapes.

    Examples
    --------
    >>> stack([np.zeros((50, 3)), np.ones((50, 3))]).shape
    (2, 50, 3)
    >>> import pandas as pd
    >>> frames = [pd.DataFrame({"x": [0.0, 1.0]}), pd.DataFrame({"x": [2.0, 3.0]})]
    >>> ensemble = stack(frames)
    >>> ensemble.columns.tolist(), ensemble[1].equals(frames[1])
    ([(0, 'x'), (1, 'x')], True)
    """
    shapes = sorted({tuple(sample.shape) for sample in samples})
    if len(shapes) != 1:
        raise InputError(
            "an ensemble is made of one or more forecasts of one shape, found "
            f"{', '.join(map(str, shapes)) or 'none'}."
        )
    module = type(samples[0]).__module__.split(".")[0]
    if module == "torch":
        import torch

        return torch.stack(list(samples))
    if module == "pandas":
        import pandas as pd

        return pd.concat(list(samples), axis=1, keys=range(len(samples)), names=["sample"])
    return np.stack(samples)
