"""The steps of a forecast: prepare a series, run the model behind it, undo what was prepared.

:func:`dynamix.forecast` and the trials of :mod:`dynamix.forecasting.embedding_choice` are made of these.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..engine.select import run_engine
from ..errors import InputError, whole_number
from ..local.forecaster import LocalForecaster
from ..preprocessing.embedding import embed
from ..preprocessing.transforms import Series, Transform, fit_transforms, invert_transforms
from ..settings import BUNDLED_MODEL, Embedding, Engine

if TYPE_CHECKING:
    from ..model.dynamix import DynaMix


@dataclass(frozen=True)
class Prepared:
    """One series as the model sees it, ``n`` of its dims observed, ``T_C`` steps long at first.

    :meth:`Pipeline.prepare` makes it. ``context (T, N)`` is transformed and embedded, ``T`` at most
    ``T_C``, since delays cost rows; ``initial (N,)`` is the starting point in the same units, None
    for the context's end; ``transforms`` take a forecast back.

    Examples
    --------
    Two delays of 5 and 10 steps cost ten rows of a single channel:

    >>> pipeline = Pipeline.of(
    ...     None, attention_sharpness=None, quiet_steps=None, reference_spacing=None,
    ...     standardize=True, detrend=False, box_cox=False, gate_noise=True, engine="torch",
    ... )
    >>> wave = np.sin(2 * np.pi * np.arange(100) / 20)[:, None]
    >>> prepared = pipeline.prepare(wave, "delay", delays=(5, 10))
    >>> prepared.context.shape, prepared.n, prepared.T_C
    ((90, 3), 1, 100)
    """

    context: Series
    initial: Float[ndarray, " N"] | None
    transforms: list[Transform]
    n: int
    T_C: int


@dataclass(frozen=True)
class Pipeline:
    """A model and the settings of its forecasts; the fields are parameters of ``forecast``.

    :func:`dynamix.forecast` is :meth:`of`, :meth:`prepare` for each series, and :meth:`run`. Here a
    series is ``(T_C, n)``, float64, with n at most the model's N.

    Examples
    --------
    >>> pipeline = Pipeline.of(
    ...     "dynamix-3d", attention_sharpness=None, quiet_steps=None, reference_spacing=None,
    ...     standardize=True, detrend=False, box_cox=False, gate_noise=True, engine="torch",
    ... )
    >>> pipeline.dims, pipeline.quiet_steps
    (3, 20)
    >>> wave = np.sin(2 * np.pi * np.arange(100) / 20)[:, None]
    >>> (y,), _ = pipeline.run([pipeline.prepare(wave, "pos")], horizon=20, seed=0)
    >>> y.shape, bool(np.abs(y - wave[:20]).max() < 0.1)
    ((20, 1), True)
    """

    model: DynaMix | LocalForecaster
    standardize: bool
    detrend: bool
    box_cox: bool
    gate_noise: bool
    quiet_steps: int
    reference_spacing: float
    engine: Engine

    @classmethod
    def of(
        cls,
        model: DynaMix | LocalForecaster | str | Path | None,
        *,
        attention_sharpness: float | None,
        quiet_steps: int | None,
        reference_spacing: float | None,
        standardize: bool,
        detrend: bool,
        box_cox: bool,
        gate_noise: bool,
        engine: Engine,
    ) -> Pipeline:
        """With the model found by its name, and what is None as its checkpoint says.

        ``model``, ``attention_sharpness``, ``quiet_steps``, ``reference_spacing``, ``standardize``,
        ``detrend``, ``box_cox``, ``gate_noise`` and ``engine`` are those of
        :func:`dynamix.forecast`.

        Raises
        ------
        InputError
            If there is no such model, or one of the three numbers is out of range.
        """
        found = _resolve_model(model)
        if quiet_steps is None:
            quiet_steps = found.defaults.quiet_steps
        quiet_steps = whole_number("quiet_steps", quiet_steps, least=0)
        spacing = found.defaults.reference_spacing
        if reference_spacing is not None:
            spacing = reference_spacing
        if isinstance(spacing, bool) or not 0 <= spacing < np.inf:
            raise InputError(f"reference_spacing must be 0 or more, found {spacing!r}.")
        found = sharpened(found, attention_sharpness)
        return cls(found, standardize, detrend, box_cox, gate_noise, quiet_steps, spacing, engine)

    @property
    def dims(self) -> int:
        """The model's N."""
        return self.model.config.observed_dims

    def transform(self, x: Series) -> tuple[Series, list[Transform]]:
        """The series as the model's own units want it, and the way back.

        See :func:`dynamix.preprocessing.fit_transforms`, its errors too.
        """
        return fit_transforms(
            x, standardize=self.standardize, detrend=self.detrend, box_cox=self.box_cox
        )

    def prepare(
        self,
        x: Series,
        embedding: Embedding,
        *,
        delays: Sequence[int] | None = None,
        start: Float[ndarray, " n"] | None = None,
        seed: int = 0,
    ) -> Prepared:
        """Transform and embed one series, and complete its starting point.

        Parameters
        ----------
        x
            ``(T_C, n)`` in the data's units, n at most N.
        embedding, delays, seed
            See :func:`dynamix.preprocessing.embed`; not looked at where ``n == N``.
        start
            ``(n,)`` in the data's units. Dims that it lacks are those of the context state nearest
            in the dims that it has. None for the context's end.

        Raises
        ------
        InputError
            If the transforms cannot be fitted, or the series is too short for the embedding.
        """
        embedded, transforms = self.transform(x)
        T_C, n = x.shape
        if n < self.dims:
            embedded = embed(
                embedded, dims=self.dims, embedding=embedding, seed=seed, delays=delays
            )
        if start is None:
            return Prepared(embedded, None, transforms, n, T_C)
        given = start[None]
        for transform in transforms:
            given = transform.apply(given)
        # the dims that start lacks are those of the context state nearest in the dims it has
        nearest = embedded[np.argmin(((embedded[:, :n] - given) ** 2).sum(axis=1))]
        return Prepared(embedded, np.concatenate([given[0], nearest[n:]]), transforms, n, T_C)

    def run(
        self,
        prepared: Sequence[Prepared],
        *,
        horizon: int,
        seed: int,
        return_gates: bool = False,
        back: bool = True,
    ) -> tuple[list[Series], ndarray | None]:
        """Forecasts of all series, ``(horizon, n)``, and the expert weights.

        In the data's units, or with ``back=False`` in those of the transformed series. Series alike
        in context length and spacing run side by side.

        Parameters
        ----------
        prepared
            Series that :meth:`prepare` made: all with a starting point, or all without.
        horizon, seed, return_gates
            See :func:`dynamix.forecast`; the weights are ``(horizon, S, J)`` or None.
        back
            Whether to undo the transforms.

        Raises
        ------
        InputError
            If the engine cannot run this model here.
        """
        import torch

        from .spacing import widened, widening

        model = self.model
        forecasts: dict[int, Series] = {}
        gates: dict[int, ndarray] = {}
        alike: dict[tuple[int, float], list[int]] = {}
        for s, item in enumerate(prepared):  # delay embeddings shorten each by its own delay
            factor = widening(item.context, reference=self.reference_spacing)
            alike.setdefault((len(item.context), factor), []).append(s)
        for (_, factor), members in alike.items():
            contexts = np.stack([prepared[s].context for s in members], axis=1)
            starts = None
            if prepared[members[0]].initial is not None:
                starts = torch.from_numpy(np.stack([prepared[s].initial for s in members]))  # type: ignore[misc]
            result = run_engine(
                self.engine,
                widened(model, factor),
                torch.from_numpy(contexts),
                horizon=horizon,
                initial_x=starts,
                gate_noise=self.gate_noise,
                seed=seed,
                quiet_steps=self.quiet_steps,
                return_gates=return_gates,
            )
            observations = result.observations.cpu().numpy()
            for i, s in enumerate(members):
                item = prepared[s]
                kept = observations[:, i, : item.n].astype(np.float64)
                undone = item.transforms if back else []
                forecasts[s] = invert_transforms(kept, undone, start=item.T_C + 1)
                if result.gates is not None:
                    gates[s] = result.gates[:, i].cpu().numpy()
        everything = range(len(prepared))
        weights = np.stack([gates[s] for s in everything], axis=1) if gates else None
        return [forecasts[s] for s in everything], weights


def sharpened(model: Any, sharpness: float | None = None) -> Any:
    """The model as forecasts use it: the attention's temperature divided by ``sharpness``.

    None takes the model's own, from its config. With 1 the ``model`` itself comes back, otherwise a
    copy.

    Raises
    ------
    InputError
        If ``sharpness`` is not a positive number.

    Examples
    --------
    >>> from dynamix import DynaMix
    >>> model = DynaMix()
    >>> sharp = sharpened(model, 4)
    >>> round(model.gate.tau_att.item(), 6), round(sharp.gate.tau_att.item(), 6)
    (0.1, 0.025)
    >>> sharpened(model) is model
    True
    """
    factor = model.defaults.attention_sharpness if sharpness is None else sharpness
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not factor > 0:
        raise InputError(f"attention_sharpness must be a positive number, found {factor!r}.")
    if factor == 1 or isinstance(model, LocalForecaster):
        return model
    copied = copy.deepcopy(model)
    copied.gate.tau_att.data /= factor
    return copied


@lru_cache(maxsize=4)
def _cached_model(name: str) -> DynaMix | LocalForecaster:
    from ..model.checkpoints import load

    return load(name)


def _resolve_model(
    model: DynaMix | LocalForecaster | str | Path | None,
) -> DynaMix | LocalForecaster:
    """The model itself, or the checkpoint of that name; bundled ones are read once."""
    from ..model import checkpoints
    from ..model.dynamix import DynaMix

    if isinstance(model, DynaMix | LocalForecaster):
        return model
    if model is None or str(model) in checkpoints.bundled():
        return _cached_model(str(model or BUNDLED_MODEL))
    if isinstance(model, str | Path):
        return checkpoints.load(model)
    raise InputError(
        f"model must be a DynaMix, a checkpoint's name or path, or None, found "
        f"{type(model).__name__}."
    )
