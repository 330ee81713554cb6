"""Zero-shot forecasts: a context in, its continuation out, in the caller's own kind of array.

The pipeline (paper, section 3.3): transform -> embed -> roll out -> drop the embedding -> transform
back. Each series of a batch goes through it on its own statistics; only the rollout is shared.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine.select import warn_once
from ..errors import InputError, one_of, whole_number
from ..io.arrays import check_initial, check_values, like, unpack
from ..settings import EMBEDDINGS, ENGINES, Embedding, Engine, ForecastConfig
from .embedding_choice import Candidate, choose, choose_embedding
from .pipeline import Pipeline, Prepared, sharpened

if TYPE_CHECKING:
    from ..model.dynamix import DynaMix

__all__ = ["choose_embedding", "forecast", "sharpened"]

_DEFAULTS = ForecastConfig()


def forecast(
    context: Any,
    *,
    horizon: int,
    model: DynaMix | str | Path | None = None,
    embedding: Embedding | None = _DEFAULTS.embedding,
    standardize: bool = _DEFAULTS.standardize,
    detrend: bool = _DEFAULTS.detrend,
    box_cox: bool = _DEFAULTS.box_cox,
    initial_x: Any = None,
    gate_noise: bool = _DEFAULTS.gate_noise,
    seed: int = _DEFAULTS.seed,
    engine: Engine = _DEFAULTS.engine,
    attention_sharpness: float | None = None,
    quiet_steps: int | None = None,
    reference_spacing: float | None = None,
    return_gates: bool = False,
    n_samples: int | None = _DEFAULTS.n_samples,
) -> Any:
    """Continue a context for ``horizon`` steps.

    The pipeline is that of the paper (Hemmer & Durstewitz, 2025, section 3.3): transform, embed,
    roll out from the last state, drop the embedding, transform back. Nothing is trained.

    Parameters
    ----------
    context
        ``(T_C,)``, ``(T_C, n)`` or ``(T_C, S, n)``: time first, then series, then channels. A NumPy
        array, torch tensor, or pandas Series or DataFrame (rows are time). With fewer channels than
        the model's N the rest are embedded; with more, each channel is forecast alone.
    horizon
        Steps to forecast, at least 1; a step is the context's own.
    model
        A :class:`dynamix.DynaMix` or what :meth:`dynamix.DynaMix.from_pretrained` takes; None: the
        bundled ``dynamix-3d``.
    embedding
        ``"pos"``, ``"delay"``, ``"delay_random"``, ``"pecuzal"`` or ``"zero"``; see
        :func:`dynamix.preprocessing.embed`. ``"auto"`` tries them on the context's own end and
        takes the best, for each series; see :func:`choose_embedding`. None: as the checkpoint's
        config says (``"pos"`` for the published weights and for ``dynamix-3d``).
    standardize
        Scale each channel by the context's mean and deviation, and undo it on the forecast; see
        :func:`dynamix.preprocessing.fit_transforms`.
    detrend
        Take a power-law trend off each channel, and add it to the forecast.
    box_cox
        Make each channel's values more evenly spread by a power, and undo it on the forecast.
    initial_x
        ``(n,)`` or ``(S, n)``: where the forecast starts, in the data's units; None: the context's
        last step. It is not part of the forecast.
    gate_noise
        Whether the gate's noise is drawn.
    seed
        Of that noise. A series' forecast depends on its own context and the seed, never on the
        series beside it.
    engine
        ``"torch"`` runs the reference step by step, ``"compiled"`` the compiled kernels, ``"auto"``
        the faster one that this machine and model allow.
    attention_sharpness
        What the attention's temperature is divided by; None: as the checkpoint's config says (1 for
        the published weights).
    quiet_steps
        How many first steps go without gate noise; None: as the checkpoint's config says (0 for the
        published weights), but none in an ensemble: samples that begin alike would be sure of
        themselves, and wrong together.
    reference_spacing
        At which spacing of a context the gate's widths are as they were trained, see
        :mod:`dynamix.forecasting.spacing`; 0 leaves them alone; None: as the checkpoint says (0 for the
        published weights).
    return_gates
        Also return the expert weights, ``(horizon, S, J)``; ``S`` is omitted for a single series.
        With more channels than N there is one series of weights per channel.
    n_samples
        Forecasts with different draws of the gate's noise. Sample i is, bit for bit, the forecast
        with the same quiet steps (none, unless they are given) and the seed
        ``dynamix.forecasting.ensembles.sample_seed(seed, i)``, which for sample 0 is ``seed``. None: a single
        forecast and no ensemble.

    Returns
    -------
    The forecast, of the context's kind and dtype, ``horizon`` long, with a pandas index continued;
    with ``return_gates`` a pair of it and the weights (NumPy, or torch for a tensor context). With
    ``n_samples`` a first axis is added to both, ``(n_samples, horizon, ...)``; a DataFrame gets a
    first column level ``sample``, a pandas Series becomes a DataFrame with a column per sample.
    The forecast is in the data's units; NaN and infinity stand where the model's own run diverges.

    Raises
    ------
    InputError
        For a context that cannot be used: empty, too short for the embedding, not finite, a
        constant channel, more than three axes, not numeric, or dates without regular steps. For
        ``horizon``, ``seed``, ``n_samples`` or ``quiet_steps`` that are no such whole numbers, and
        an ``attention_sharpness`` or ``reference_spacing`` out of range. For an unknown model,
        embedding or engine, or an engine that cannot run this model here. For an ``initial_x`` of
        another shape, not finite, or together with ``detrend`` or ``box_cox``, and for ``box_cox``
        without ``standardize``.

    Examples
    --------
    Ten whole periods, continued; the eleventh is like the first:

    >>> wave = np.sin(2 * np.pi * np.arange(300) / 30)
    >>> y = forecast(wave, horizon=30)
    >>> y.shape, bool(np.abs(y - wave[:30]).max() < 0.1)
    ((30,), True)
    >>> forecast(wave, horizon=30, n_samples=3).shape
    (3, 30)
    >>> forecast(np.ones(300), horizon=30)
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: context must vary, but channel 0 is constant at 1. Drop that channel.
    """
    horizon = whole_number("horizon", horizon)
    seed = whole_number("seed", seed, least=0)
    if n_samples is not None:
        n_samples = whole_number("n_samples", n_samples)
        quiet_steps = 0 if quiet_steps is None else quiet_steps
    if embedding is not None:
        one_of("embedding", embedding, EMBEDDINGS)
    one_of("engine", engine, ENGINES)
    values, restore = unpack(context)
    check_values(values)
    T_C, S, n = values.shape
    if initial_x is not None and (detrend or box_cox):
        raise InputError(
            "initial_x cannot be combined with detrend or box_cox: these describe how the "
            "context's own end goes on, and initial_x starts elsewhere. Drop one of them."
        )
    start = None if initial_x is None else check_initial(initial_x, S=S, n=n)
    pipeline = Pipeline.of(
        model,
        attention_sharpness=attention_sharpness,
        quiet_steps=quiet_steps,
        reference_spacing=reference_spacing,
        standardize=standardize,
        detrend=detrend,
        box_cox=box_cox,
        gate_noise=gate_noise,
        engine=engine,
    )
    N = pipeline.dims
    singly = n > N
    if embedding is None:
        embedding = pipeline.model.defaults.embedding_of(1 if singly else n)
    if singly:  # (T_C, S, n) -> (T_C, S n, 1): every channel a series of its own
        values = values.reshape(T_C, S * n, 1)
        start = None if start is None else start.reshape(S * n, 1)

    # sums round the same whatever lies beside a series
    series = [np.ascontiguousarray(values[:, s]) for s in range(values.shape[1])]
    embeddings = [Candidate(embedding)] * len(series)
    if embedding == "auto" and values.shape[2] < N:
        embeddings = [choice.chosen for choice in choose(series, pipeline)]

    def prepare(seed: int) -> list[Prepared]:
        return [
            pipeline.prepare(
                x,
                embeddings[s].embedding,
                delays=embeddings[s].delays,
                start=None if start is None else start[s],
                seed=seed,
            )
            for s, x in enumerate(series)
        ]

    random_embedding = embedding == "delay_random" and values.shape[2] < N
    prepared = [] if random_embedding else prepare(seed)

    def sample(seed: int) -> tuple[Any, Any]:
        parts, gates = pipeline.run(
            prepare(seed) if random_embedding else prepared,
            horizon=horizon,
            seed=seed,
            return_gates=return_gates,
        )
        if gates is not None:
            one_series = np.ndim(context) < 3 and not singly
            gates = like(context, gates[:, 0] if one_series else gates)
        return restore(np.stack(parts, axis=1).reshape(horizon, S, n)), gates

    if n_samples is None:
        result, gates = sample(seed)
        return (result, gates) if return_gates else result
    from .ensembles import draw, sample_seed, stack

    gate = getattr(pipeline.model, "gate", pipeline.model)
    width = bool((gate.sigma != 0).any())
    noisy = gate_noise and width and pipeline.quiet_steps < horizon
    if noisy or getattr(pipeline.model.config, "probabilistic", False) or random_embedding:
        samples = draw(sample, [sample_seed(seed, i) for i in range(n_samples)])
    else:
        if n_samples > 1:
            warn_once(
                "every sample of the ensemble is the same: the gate's noise is switched off, "
                "has no width, or begins behind the horizon"
            )
        samples = [sample(seed)] * n_samples
    forecasts, weights = zip(*samples, strict=True)
    return (stack(forecasts), stack(weights)) if return_gates else stack(forecasts)
