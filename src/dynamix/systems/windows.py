"""Training windows: trajectories from files, and the sampler that cuts sequences from any."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy import ndarray

from ..errors import InputError
from ..io.scale import unit
from ..io.shapes import Float
from ..io.tables import read_array
from ..preprocessing.transforms import distant_mean

_SMALLEST_SPREAD = 1e-3  # a window channel that moves less than this share of its usual is redrawn
_MOST_REDRAWS = 100
_SIGNS = np.array([-1.0, 1.0], dtype=np.float32)


def load_trajectories(paths: Sequence[str | Path], *, dims: int) -> list[Float[ndarray, "T N"]]:
    """Trajectories ``(T, N)``, float64, from files ``paths`` of :func:`dynamix.io.read`.

    Every file must have N = ``dims`` finite channels. A table's column of times is not a channel;
    columns of text are left out with a warning. An array file may hold ``(T, N)`` or ``(T, S, N)``,
    and then its S series become S trajectories.

    It raises InputError if a file has other channels or values that are not finite.

    >>> load_trajectories(["mine.csv"], dims=3)  # doctest: +SKIP
    """
    series: list[ndarray] = []
    for path in paths:
        values = read_array(path)
        if values.dtype.kind not in "fiu" or values.ndim not in (2, 3) or values.shape[-1] != dims:
            raise InputError(
                f"{str(path)!r} should hold numbers of shape (T, {dims}) or (T, S, {dims}), found "
                f"{values.shape} of {values.dtype}. Change the file, or the model's observed_dims."
            )
        if not np.isfinite(values).all():
            where = np.argwhere(~np.isfinite(values))[0].tolist()
            raise InputError(f"{str(path)!r} holds NaN or infinity, first at index {where}.")
        series += list(values.astype(np.float64).reshape(len(values), -1, dims).transpose(1, 0, 2))
    return series


class WindowSampler:
    """Draws standardised training sequences from a set of trajectories.

    A sequence is a random stretch of a random trajectory. Each channel is scaled to mean 0 and
    deviation 1 over the stretch. A stretch with a constant channel is drawn again.

    Parameters
    ----------
    trajectories
        Arrays ``(T, n)``, in any units; missing channels are filled with zeros.
    length
        Points of a sequence; no trajectory may be shorter.
    dims
        Channels N of a sequence; None: as many as the trajectories have.
    signed_permutations, rotations
        Permute and mirror, or rotate, the axes of every sequence at random. Of the sequences with
        fewer than N channels, every second one is rotated within its own channels only.
    warp
        Strength, below 1, of a random change of coordinates: along random axes ``u`` becomes
        ``u + g tanh(u - b)`` with ``|g| <= warp``. The map has an inverse, so orbits stay orbits.

    Examples
    --------
    >>> walk = np.random.default_rng(0).standard_normal((100, 3)).cumsum(axis=0)
    >>> WindowSampler([walk], length=20).draw(4, rng=np.random.default_rng(1)).shape
    (20, 4, 3)
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
        self._lengths, self._own = np.array([values.shape for values in trajectories]).T
        self.length, self.dims = length, int(self._own.max()) if dims is None else dims
        if self._lengths.min() < length:
            raise InputError(
                f"trajectory {self._lengths.argmin()} has {self._lengths.min()} points, a training "
                f"sequence needs {length}. Give longer data, or shorten context_length or window."
            )
        if self._own.max() > self.dims:
            raise InputError(
                f"trajectory {self._own.argmax()} has {self._own.max()} channels, a training "
                f"sequence {self.dims}. Leave some out, or raise the model's observed_dims."
            )
        self.signed_permutations, self.rotations, self.warp = signed_permutations, rotations, warp
        self.trajectories = [
            np.pad(_single(np.asarray(values, dtype=np.float64)), ((0, 0), (0, self.dims - n)))
            for values, n in zip(trajectories, self._own, strict=True)
        ]
        usual = [values.std(axis=0) for values in self.trajectories]
        self._smallest = _SMALLEST_SPREAD * np.array(usual, dtype=np.float64)

    def draw(
        self, count: int, *, rng: np.random.Generator, length: int | None = None
    ) -> Float[ndarray, "length {count} N"]:
        """Draw ``count`` sequences of ``length`` (at most and by default the sampler's own)."""
        length = self.length if length is None else length
        windows = np.empty((length, count, self.dims), dtype=np.float32)
        own, missing = np.empty(count, dtype=np.int64), np.arange(count)
        for _ in range(_MOST_REDRAWS):
            chosen = rng.integers(len(self.trajectories), size=len(missing))
            starts = rng.integers(self._lengths[chosen] - length + 1)
            drawn = zip(chosen, starts, strict=True)
            part = np.stack([self.trajectories[i][t : t + length] for i, t in drawn], axis=1)
            part -= part.mean(axis=0)
            scale, own[missing] = _deviation(part), self._own[chosen]
            absent = np.arange(self.dims) >= self._own[chosen][:, None]
            moves = ((scale > self._smallest[chosen]) & (scale > 0) | absent).all(axis=1)
            windows[:, missing[moves]] = part[:, moves] / np.where(absent, 1.0, scale)[moves]
            missing = missing[~moves]
            if not len(missing):
                return self._reframed(windows, own, rng)
        raise InputError(
            "a channel is constant in too many drawn sequences. Drop constant channels."
        )

    def _reframed(
        self, windows: Float[ndarray, "length count N"], own: ndarray, rng: np.random.Generator
    ) -> Float[ndarray, "length count N"]:
        """The sequences, each in other random coordinates."""
        _, count, n = windows.shape
        if self.warp:
            turn = _random_rotations(rng, count, n)
            slope, place = rng.uniform(-1.0, 1.0, (2, count, 1, n)).astype(np.float32)
            turned = windows.transpose(1, 0, 2) @ turn
            turned = turned + slope * self.warp * np.tanh(turned - place)
            windows = (turned @ turn.transpose(0, 2, 1)).transpose(1, 0, 2)
            windows = _rescaled(windows - windows.mean(axis=0))
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


def _single(values: Float[ndarray, "T n"]) -> Float[ndarray, "T n"]:
    """Values in float32 units that lose no digits; standardised sequences stay the same."""
    centred = values - distant_mean(values)
    return (centred / unit(centred)).astype(np.float32)


def _random_rotations(
    rng: np.random.Generator, count: int, n: int
) -> Float[ndarray, "{count} {n} {n}"]:
    """Uniform over rotations and reflections: QR of a normal matrix, its signs fixed."""
    q, r = np.linalg.qr(rng.standard_normal((count, n, n)))
    return (q * np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None, :]).astype(np.float32)


def _rescaled(windows: Float[ndarray, "length count N"]) -> Float[ndarray, "length count N"]:
    """Every channel at deviation 1, except constant ones, which hold a rotation's rounding."""
    scale = _deviation(windows)
    return windows / np.where(scale > _SMALLEST_SPREAD, scale, 1.0)


def _deviation(windows: Float[ndarray, "length count N"]) -> Float[ndarray, "count N"]:
    """Sample deviation of sequences whose mean is zero."""
    return np.sqrt(np.einsum("tsn,tsn->sn", windows, windows) / (len(windows) - 1))
