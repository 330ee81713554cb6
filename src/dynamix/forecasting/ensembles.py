"""Ensembles: one context, several draws of the gate's noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any, TypeVar

import numpy as np

from ..engine.machine import available_cores
from ..io.progress import tqdm
from ..settings import PATIENCE

Drawn = TypeVar("Drawn")


def sample_seed(seed: int, i: int) -> int:
    """The seed of an ensemble's sample ``i``: of sample 0 the seed itself, else a hash of both.

    A longer ensemble thus begins with the shorter one, and ensembles of neighbouring seeds have no
    sample in common.
    """
    if i == 0:
        return seed
    # 63 bits: the noise's generator takes signed numbers
    return int(np.random.SeedSequence([seed, i]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def draw(sample: Callable[[int], Drawn], seeds: Sequence[int]) -> list[Drawn]:
    """``sample`` of every seed, in the seeds' order, on all cores.

    Threads suffice, because the compiled kernels do not hold the interpreter's lock.
    """
    cores = min(available_cores(), len(seeds))
    with ThreadPoolExecutor(cores) if cores > 1 else nullcontext() as threads:  # a browser has none
        parts = threads.map(sample, seeds) if threads else map(sample, seeds)
        return list(tqdm(parts, total=len(seeds), desc="samples", disable=None, delay=PATIENCE))


def stack(samples: Sequence[Any], levels: Sequence[float] = ()) -> Any:
    """Forecasts of one context as an ensemble of their own kind; ``ensemble[i]`` is sample i.

    Arrays and tensors get a first axis. Frames get a first column level ``sample``; pandas series
    become a frame with a column for each sample. With ``levels`` the samples are these quantiles,
    and the columns are named by them.
    """
    module = type(samples[0]).__module__.split(".")[0]
    if module == "torch":
        import torch

        return torch.stack(list(samples))
    if module == "pandas":
        import pandas as pd

        keys, name = (levels, "quantile") if levels else (range(len(samples)), "sample")
        return pd.concat(list(samples), axis=1, keys=keys, names=[name])
    return np.stack(samples)
