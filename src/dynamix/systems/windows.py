"""Training windows: own trajectories from files, and the sampler that cuts sequences from any."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..errors import InputError

logger = logging.getLogger(__name__)

_SMALLEST_SPREAD = 1e-3  # a window channel that moves less than this share of its usual is redrawn
_MOST_REDRAWS = 100
_SIGNS = np.array([-1.0, 1.0], dtype=np.float32)


def load_trajectories(paths: Sequence[str | Path], *, dims: int) -> list[Float[ndarray, "T N"]]:
    """Own trajectories from ``.npy`` (``(T, N)`` or ``(T, S, N)``) and ``.csv`` files.

    Parameters
    ----------
    paths
        Files. In a CSV rows are time and columns channels, under a header; columns that are not
        numeric (dates, say) are left out, and said so in the log.
    dims
        Channels N that every file must have.

    Returns
    -------
    Arrays ``(T, N)``, float32, in the files' own units and in their order; the S series of a file
    one after the other.

    Raises
    ------
    InputError
        If a file is missing, of another kind, holds other than ``dims`` channels, values that are
        not numbers, or NaN or infinity.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(Path(folder, "runs.npy"), np.ones((100, 4, 3)))  # four series
    ...     series = load_trajectories([Path(folder, "runs.npy")], dims=3)
    >>> len(series), series[0].shape
    (4, (100, 3))
    >>> load_trajectories(["runs.txt"], dims=3)
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: no file at 'runs.txt'. Give .npy or .csv files.
    """
    series: list[ndarray] = []
    for path in map(Path, paths):
        if not path.is_file():
            raise InputError(f"no file at {str(path)!r}. Give .npy or .csv files.")
        suffix = path.suffix.lower()
        if suffix == ".npy":
            try:
                values = np.load(path, allow_pickle=False)
            except (ValueError, EOFError, OSError) as error:
                raise InputError(f"{str(path)!r} is not a readable .npy array: {error}.") from error
        elif suffix == ".csv":
            import pandas as pd

            try:
                frame = pd.read_csv(path)
            except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
                raise InputError(f"{str(path)!r} is not a readable .csv table: {error}.") from error
            numeric = frame.select_dtypes("number")
            dropped = [str(column) for column in frame.columns if column not in numeric.columns]
            if dropped:
                logger.warning("%s: left out non-numeric columns %s", path.name, dropped)
            values = numeric.to_numpy(dtype=np.float64)
        else:
            raise InputError(f"{str(path)!r}: expected a .npy or .csv file, found {path.suffix!r}.")
        if values.dtype.kind not in "fiu" or values.ndim not in (2, 3) or values.shape[-1] != dims:
            raise InputError(
                f"{str(path)!r} should hold numbers of shape (T, {dims}) or (T, S, {dims}), found "
                f"{values.shape} of {values.dtype}. Change the file, or the model's observed_dims."
            )
        if not np.isfinite(values).all():
            where = np.argwhere(~np.isfinite(values))[0].tolist()
            raise InputError(f"{str(path)!r} holds NaN or infinity, first at index {where}.")
        stacked = values if values.ndim == 3 else values[:, None]
        series += [stacked[:, s].astype(np.float32) for s in range(stacked.shape[1])]
    return series


class WindowSampler:
    """Draws standardised training sequences from a set of trajectories.

    A sequence is a random stretch of a random trajectory, each channel scaled to mean 0 and
    deviation 1 over the stretch; a stretch in which a channel stands still is drawn anew.

    Parameters
    ----------
    trajectories
        Arrays ``(T, n)``, in any units. Those with fewer channels than ``dims`` get zeros for the
        others; with ``rotations`` every second of them is rotated into all dims, the others within
        their own.
    dims
        Channels of a sequence, N; None: as many as the trajectories have.
    length
        Points of a sequence; no trajectory may be shorter.
    signed_permutations
        Permute and mirror the axes of every sequence at random: the dynamics do not depend on the
        axes they are written in, and neither should the model.
    rotations
        Rotate every sequence at random, for the same reason.
    warp
        Strength of a random smooth change of coordinates: along random axes, ``u`` becomes ``u + g
        tanh(u - b)``, ``|g| <= warp``. Below 1 it has an inverse, so the sequence stays the orbit
        of a flow, but one of another shape. 0 for none.

    Raises
    ------
    InputError
        If there is no trajectory, or one is shorter than a sequence or has more than ``dims``
        channels. That one is nearly always still shows when sequences are drawn.

    Examples
    --------
    >>> walk = np.random.default_rng(0).standard_normal((100, 3)).cumsum(axis=0)
    >>> sampler = WindowSampler([walk], length=20)
    >>> x = sampler.draw(4, rng=np.random.default_rng(1))
    >>> x.shape
    (20, 4, 3)
    >>> np.allclose(x.mean(axis=0), 0, atol=1e-5), np.allclose(x.std(axis=0, ddof=1), 1, atol=1e-5)
    (True, True)
    """

    def __init__(
        self,
        trajectories: Sequence[Float[ndarray, "_ _"]],
        *,
        length: int,
        dims: int | None = None,
        signed_permutations: bool = False,
        rotations: bool = False,
        warp: float = 0.0,
    ) -> None:
        if not trajectories:
            raise InputError("there is no trajectory to draw training sequences from.")
        for i, values in enumerate(trajectories):
            if len(values) < length:
                raise InputError(
                    f"trajectory {i} has {len(values)} points, but a training sequence needs "
                    f"{length}. Give longer data, or shorten context_length or window."
                )
        self.trajectories = [np.asarray(values, dtype=np.float32) for values in trajectories]
        self.length = length
        self.signed_permutations = signed_permutations
        self.rotations = rotations
        self.warp = warp
        self._lengths = np.array([len(values) for values in self.trajectories])
        self._own = np.array([values.shape[1] for values in self.trajectories])
        self.dims = int(self._own.max()) if dims is None else dims
        if self._own.max() > self.dims:
            raise InputError(
                f"trajectory {int(self._own.argmax())} has {self._own.max()} channels, but a "
                f"training sequence {self.dims}. Leave some out, or raise the model's "
                "observed_dims."
            )
        self._usual = np.zeros((len(self.trajectories), self.dims))
        for usual, values in zip(self._usual, self.trajectories, strict=True):
            usual[: values.shape[1]] = values.std(axis=0)

    def draw(
        self, count: int, *, rng: np.random.Generator, length: int | None = None
    ) -> Float[ndarray, "length {count} N"]:
        """``count`` sequences, time first; shorter than the sampler's own ``length`` on request.

        Parameters
        ----------
        count
            Sequences S.
        rng
            Decides everything that is random: the same generator, the same sequences.
        length
            Points of these sequences, at most the sampler's own; None: as many.

        Returns
        -------
        ``(length, S, N)``, float32, in deviations of each stretch's channels.

        Raises
        ------
        InputError
            If a hundred draws in a row leave a sequence with a channel that stands still.
        """
        length = self.length if length is None else length
        windows = np.zeros((length, count, self.dims), dtype=np.float32)
        own = np.empty(count, dtype=np.int64)
        missing = np.arange(count)
        for _ in range(_MOST_REDRAWS):
            chosen = rng.integers(len(self.trajectories), size=len(missing))
            starts = rng.integers(self._lengths[chosen] - length + 1)
            for column, i, start in zip(missing, chosen, starts, strict=True):
                windows[:, column] = 0.0
                windows[:, column, : self._own[i]] = self.trajectories[i][start : start + length]
            part = windows[:, missing]
            part -= part.mean(axis=0)
            scale = _deviation(part)
            own[missing] = self._own[chosen]
            absent = np.arange(self.dims) >= own[missing][:, None]
            alive = (scale > _SMALLEST_SPREAD * self._usual[chosen]) & (scale > 0)
            moving = (alive | absent).all(axis=1)
            windows[:, missing[moving]] = part[:, moving] / np.where(absent, 1.0, scale)[moving]
            missing = missing[~moving]
            if not len(missing):
                break
        else:
            raise InputError(
                f"{_MOST_REDRAWS} random sequences in a row had a channel that stands still. Drop "
                "constant channels from the training data."
            )
        return self._reframed(windows, own, rng)

    def _reframed(
        self, windows: Float[ndarray, "length count N"], own: ndarray, rng: np.random.Generator
    ) -> Float[ndarray, "length count N"]:
        """The sequences in other coordinates, each in its own."""
        _, count, n = windows.shape
        if self.warp:
            turn = _random_rotations(rng, count, n)
            slope = rng.uniform(-1.0, 1.0, (count, 1, n)).astype(np.float32) * self.warp
            place = rng.uniform(-1.0, 1.0, (count, 1, n)).astype(np.float32)
            turned = windows.transpose(1, 0, 2) @ turn
            turned = turned + slope * np.tanh(turned - place)
            windows = (turned @ turn.transpose(0, 2, 1)).transpose(1, 0, 2)
            windows = windows - windows.mean(axis=0)
            windows = _rescaled(windows)
        if self.rotations:
            turn = _random_rotations(rng, count, n)
            for s in np.flatnonzero(own < n):  # every second one stays within its own dims
                if rng.random() < 0.5:
                    turn[s] = np.eye(n)
                    turn[s, : own[s], : own[s]] = _random_rotations(rng, 1, int(own[s]))[0]
            windows = _rescaled((windows.transpose(1, 0, 2) @ turn).transpose(1, 0, 2))
        if self.signed_permutations:
            order = rng.permuted(np.tile(np.arange(n), (count, 1)), axis=1)
            windows = np.take_along_axis(windows, order[None], axis=2)
            windows = windows * rng.choice(_SIGNS, size=(count, n))
        return np.ascontiguousarray(windows)


def _random_rotations(
    rng: np.random.Generator, count: int, n: int
) -> Float[ndarray, "{count} {n} {n}"]:
    """Matrices that are uniform over rotations and reflections."""
    # QR of a normal matrix, its signs fixed
    q, r = np.linalg.qr(rng.standard_normal((count, n, n)))
    return (q * np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None, :]).astype(np.float32)


def _rescaled(windows: Float[ndarray, "length count N"]) -> Float[ndarray, "length count N"]:
    """Every channel that moves at deviation 1."""
    scale = _deviation(windows)
    # a turned channel of zeros holds the rounding of a rotation, or nothing
    return windows / np.where(scale > _SMALLEST_SPREAD, scale, 1.0)


def _deviation(windows: Float[ndarray, "length count N"]) -> Float[ndarray, "count N"]:
    """Sample deviation of sequences whose mean is zero."""
    return np.sqrt(np.einsum("tsn,tsn->sn", windows, windows) / (len(windows) - 1))
