"""The steps of a forecast: prepare each series, run the model, undo the preparation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

import numpy as np
from numpy import ndarray

from ..engine.select import run_engine, warn_once
from ..errors import InputError
from ..gp.settings import GPConfig
from ..gp.smoothing import smooth
from ..io.progress import tqdm
from ..model.runs import Group
from ..preprocessing.embedding import embed
from ..preprocessing.seasons import Season, seasons_of
from ..preprocessing.transforms import Series, Transform, fit_transforms, invert_transforms
from ..settings import PATIENCE, Embedding, ForecastConfig
from .ensembles import draw, sample_seed
from .models import Model, adapted, is_noisy
from .spacing import widening

_RAW = (1e-18, 1e18)  # sizes whose squares are float32 numbers

Fitted = tuple[Series, list[Transform]]
_SAMPLES = 100  # of which quantiles are taken
_MANY = 1000  # series whose way back may take long enough for a bar
_bar = partial(tqdm, unit="series", disable=None, delay=PATIENCE, leave=False)


@dataclass(frozen=True)
class Prepared:
    """One series as the model sees it; :meth:`Pipeline.prepare` makes it.

    ``context (T, N)`` is transformed and embedded. ``initial (N,)`` is the starting point in the
    same units, None for the context's end. ``transforms`` take a forecast back. ``n`` channels were
    observed at ``T_C`` steps; delays cost rows, so T is at most ``T_C``. ``factor`` is that of the
    gate's widths (:func:`~dynamix.forecasting.spacing.widening`).
    """

    context: Series
    initial: ndarray | None
    transforms: list[Transform]
    n: int
    T_C: int
    factor: float


@dataclass(frozen=True)
class Pipeline:
    """A model and the settings of its forecasts.

    :func:`dynamix.forecast` prepares each series with :meth:`prepare` and runs all with
    :meth:`run`. A series is ``(T_C, n)`` in float64, with n at most the model's N.
    """

    model: Model
    settings: ForecastConfig = field(default_factory=ForecastConfig)
    calendar: tuple[int, ...] | None = None  # periods that the context's dates suggest

    @property
    def dims(self) -> int:
        """The model's N."""
        return self.model.config.observed_dims

    def embedding_of(self, n: int) -> Embedding:
        """How the missing dims of ``n`` channels are filled."""
        how = self.settings.embedding or self.model.defaults.embedding_of(n)
        if how == "memory" and not isinstance(self.model.config, GPConfig):
            raise InputError(
                "embedding='memory' is for the models that fit one smooth map to a context, as "
                "dynamix-gp-learned does. Name another embedding, such as 'delay'."
            )
        return how

    def seasons(self, x: Series, *, smooth: bool = False) -> list[tuple[int, ...]]:
        """The periods of each channel's seasons, with ``smooth`` also of smooth channels."""
        periods = self.settings.season
        if periods == "auto":
            return seasons_of(x, self.calendar, smooth=smooth)
        whole: Any = (periods,) if isinstance(periods, int) else periods
        Season.check(len(x), whole)
        return [whole] * x.shape[1]

    def fit(self, x: Series, *, smoothed: bool = True) -> Fitted:
        """A series transformed, and smoothed if the settings say so; a trend takes long to fit."""
        s = self.settings
        found, transforms = fit_transforms(
            x,
            standardize=s.standardize,
            detrend=s.detrend,
            box_cox=s.box_cox,
            seasons=() if s.season == "off" else self.seasons(x),
        )
        if not s.standardize and not _RAW[0] <= np.abs(found).max() <= _RAW[1]:
            raise InputError(
                f"without standardize a model takes values as they are, from {_RAW[0]:g} to "
                f"{_RAW[1]:g} in size, found {np.abs(found).max():.3g}. Leave standardize=True, or "
                "use other units."
            )
        if smoothed and (s.denoise or self.model.defaults.denoise) == "auto":
            found = smooth(found).values
        return found, transforms

    def prepare(
        self,
        x: Series,
        embedding: Embedding | None = None,
        *,
        delays: Sequence[int] | None = None,
        start: ndarray | None = None,
        seed: int = 0,
        fitted: Fitted | None = None,
    ) -> Prepared:
        """Transform and embed one series, and complete its starting point ``start (n,)``.

        ``embedding``, ``delays`` and ``seed`` are those of :func:`dynamix.preprocessing.embed`;
        None takes the setting's embedding, or the checkpoint's. ``fitted`` is the result of
        :meth:`fit`, for several embeddings of one series.
        """
        (T_C, n), dims, s = x.shape, self.model.config.observed_dims, self.settings
        embedded, transforms = fitted or self.fit(x)
        if n < dims and (how := embedding or self.embedding_of(n)) != "memory":
            embedded = embed(embedded, dims=dims, embedding=how, seed=seed, delays=delays)
        reference = s.reference_spacing
        reference = self.model.defaults.reference_spacing if reference is None else reference
        factor = widening(embedded, reference=reference, engine=s.engine) if reference else 1.0
        if start is None:
            return Prepared(embedded, None, transforms, n, T_C, factor)
        given = start[None]
        with np.errstate(over="ignore"):
            for transform in transforms:
                given = transform.apply(given)
        if not np.abs(given).max() <= _RAW[1]:
            raise InputError(
                f"initial_x must lie within {_RAW[1]:g} deviations of the context's mean (without "
                f"standardize: of zero), found {start}. Start nearer."
            )
        # the missing dims are those of the context state nearest in the given dims
        nearest = embedded[np.argmin(((embedded[:, :n] - given) ** 2).sum(axis=1))]
        start = np.concatenate([given[0], nearest[n:]])
        return Prepared(embedded, start, transforms, n, T_C, factor)

    def forecast(
        self,
        values: ndarray,
        starts: ndarray | None,
        *,
        horizon: int,
        return_gates: bool = False,
        levels: Sequence[float] = (),
        options: Sequence[dict[str, Any]] = (),
    ) -> list[tuple[ndarray, ndarray | None]]:
        """Forecasts ``(horizon, S, n)`` and weights of a context ``(T_C, S, n)``, one a sample.

        ``starts`` is ``(S, n)`` or None. Without ``n_samples`` the list has one entry. With
        ``levels`` it holds calibrated quantiles in place of samples. ``options`` are those of each
        series' embedding; empty: they are chosen where ``embedding="auto"`` asks for it.
        """
        s, n = self.settings, values.shape[2]
        # each series in memory of its own: its sums round the same, whatever series are beside it
        series = list(map(np.ascontiguousarray, values.transpose(1, 0, 2)))
        how = self.embedding_of(n) if n < self.model.config.observed_dims else "none"
        random = how == "delay_random"
        fits: list[Fitted | None] = [None] * len(series)
        chooses = how == "auto" and not options
        if chooses or (random and s.n_samples):
            fits = [self.fit(x) for x in _bar(series, "transforms")]
        if chooses:
            from .embedding_choice import choose

            options = [vars(choice.chosen) for choice in choose(series, self, fits)]
        options = options or [{}] * len(series)
        more: Any = {"horizon": horizon, "options": options}
        drawn = bool(levels) or s.n_samples is not None
        if drawn and s.odds == "calibrated":
            from .calibration import calibrated

            if return_gates:
                raise InputError(
                    "return_gates cannot be combined with calibrated samples, which are no runs of "
                    "the model. Set odds='gate', or leave out n_samples."
                )
            return [(y, None) for y in calibrated(self, values, starts, levels=levels, **more)]
        if levels:
            several = replace(self, settings=replace(s, n_samples=s.n_samples or _SAMPLES))
            samples = np.stack([y for y, _ in several.forecast(values, starts, **more)])
            return [(y, None) for y in np.quantile(samples, levels, axis=0)]
        if s.damping == "auto":
            from .damping import damped

            return damped(self, values, starts, return_gates=return_gates, **more)

        first: Any = [None] * len(series) if starts is None else starts
        prepared = []
        for i, x in enumerate(_bar(series, "preparing")):
            given = {"start": first[i], "fitted": fits[i], **options[i]}
            prepared.append(self.prepare(x, seed=s.seed, **given))
        if s.n_samples is None:
            return [self.run(prepared, horizon=horizon, seed=s.seed, return_gates=return_gates)]

        def sample(seed: int) -> tuple[ndarray, ndarray | None]:
            ready = prepared
            if random:  # delays of its own
                each = zip(series, first, fits, strict=True)
                ready = [self.prepare(x, start=z, seed=seed, fitted=fit) for x, z, fit in each]
            return self.run(ready, horizon=horizon, seed=seed, return_gates=return_gates)

        noisy = s.gate_noise and (s.quiet_steps or 0) < horizon and is_noisy(self.model)
        if noisy or random or getattr(self.model.config, "probabilistic", False):
            return draw(sample, [sample_seed(s.seed, i) for i in range(s.n_samples)])
        if s.n_samples > 1:
            warn_once(
                "every sample of the ensemble is the same: the gate's noise is switched off, has "
                "no width, or begins after the horizon"
            )
        return [sample(s.seed)] * s.n_samples

    def batches(self, prepared: Sequence[Prepared]) -> list[tuple[list[int], Group]]:
        """Series that run side by side: their numbers, contexts, starts and adapted model.

        Members share the context's length, which delays change, and the widening of the gate.
        """
        sharpness = self.settings.attention_sharpness
        sharpness = self.model.defaults.attention_sharpness if sharpness is None else sharpness
        models = cache(partial(adapted, self.model, sharpness=sharpness))
        alike: dict[tuple[int, float], list[int]] = {}
        for i, item in enumerate(prepared):
            alike.setdefault((len(item.context), item.factor), []).append(i)
        found = []
        for (_, factor), members in alike.items():
            contexts, initial = list[ndarray](), list[ndarray]()
            for i in members:
                contexts.append(prepared[i].context)
                if (start := prepared[i].initial) is not None:
                    initial.append(start)
            starts = np.stack(initial) if initial else None
            batch = Group(models(factor=factor), np.stack(contexts, axis=1), starts)
            found.append((members, batch))
        return found

    def run(
        self,
        prepared: Sequence[Prepared],
        *,
        horizon: int,
        seed: int,
        return_gates: bool = False,
        back: bool = True,
    ) -> tuple[ndarray, ndarray | None]:
        """Forecasts ``(horizon, S, n)`` of all series, and weights ``(horizon, S, J)`` or None.

        The forecasts are in the data's units, or with ``back=False`` in those of the transformed
        series. Either all series have a starting point, or none has.
        """
        s, quiet = self.settings, self.settings.quiet_steps
        if quiet is None:  # samples that begin alike would make an ensemble overconfident
            alike = s.n_samples is not None and s.odds == "gate"
            quiet = 0 if alike else self.model.defaults.quiet_steps
        forecasts: list[Any] = [None] * len(prepared)
        gates: list[Any] = [None] * len(prepared)
        members_of, groups = zip(*self.batches(prepared), strict=True)
        how: Any = {"gate_noise": s.gate_noise, "seed": seed, "quiet_steps": quiet}
        try:
            results = run_engine(
                s.engine, groups, horizon=horizon, return_gates=return_gates, **how
            )
        except MemoryError as error:
            raise InputError(
                f"there is not enough memory ({error}). Use fewer steps, series or samples."
            ) from error
        for members, result in zip(members_of, results, strict=True):
            for i, member in enumerate(_bar(members, "units") if len(members) > _MANY else members):
                item = prepared[member]
                kept = result.observations[:, i, : item.n].astype(np.float64)
                undone = item.transforms if back else []
                forecasts[member] = invert_transforms(kept, undone, start=item.T_C + 1)
                gates[member] = None if result.gates is None else result.gates[:, i]
        return np.stack(forecasts, axis=1), np.stack(gates, axis=1) if return_gates else None
