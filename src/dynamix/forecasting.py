"""Zero-shot forecasts: a context in, its continuation out, in the caller's own kind of array.

The pipeline (paper, section 3.3): transform -> embed -> roll out -> drop the embedding -> transform
back. Each series of a batch goes through it on its own statistics; only the rollout is shared.
"""

from __future__ import annotations

import copy
import functools
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .config import BUNDLED_MODEL, EMBEDDINGS, ENGINES, Embedding, Engine, ForecastConfig
from .containers import check_initial, check_values, like, unpack
from .engines import run_engine, warn_once
from .errors import InputError, one_of, whole_number
from .preprocessing import Series, Transform, embed, fit_transforms, invert_transforms

if TYPE_CHECKING:
    from .model import DynaMix

_DEFAULTS = ForecastConfig()


def forecast(
    context: Any,
    *,
    horizon: int,
    model: DynaMix | str | Path | None = None,
    embedding: Embedding = _DEFAULTS.embedding,
    standardize: bool = _DEFAULTS.standardize,
    detrend: bool = _DEFAULTS.detrend,
    box_cox: bool = _DEFAULTS.box_cox,
    initial_x: Any = None,
    gate_noise: bool = _DEFAULTS.gate_noise,
    seed: int = _DEFAULTS.seed,
    engine: Engine = _DEFAULTS.engine,
    attention_sharpness: float | None = None,
    quiet_steps: int | None = None,
    return_gates: bool = False,
    n_samples: int | None = _DEFAULTS.n_samples,
) -> Any:
    """Continue a context for ``horizon`` steps.

    Parameters
    ----------
    context
        ``(T_C,)``, ``(T_C, n)`` or ``(T_C, S, n)``: time first, then series, then channels. A NumPy
        array, torch tensor, or pandas Series or DataFrame (rows are time). With fewer channels than
        the model's N the rest are embedded; with more, each channel is forecast alone.
    horizon
        Steps to forecast.
    model
        A :class:`dynamix.DynaMix` or what :meth:`dynamix.DynaMix.from_pretrained` takes; None: the
        bundled ``dynamix-3d``.
    embedding
        ``"pos"``, ``"delay"``, ``"delay_random"`` or ``"zero"``; see
        :func:`dynamix.preprocessing.embed`.
    standardize, detrend, box_cox
        Transforms fitted to the context and undone on the forecast; see
        :func:`dynamix.preprocessing.fit_transforms`.
    initial_x
        ``(n,)`` or ``(S, n)``: where the forecast starts, in the data's units; None: the context's
        last step. It is not part of the forecast.
    gate_noise, seed
        Whether the gate's noise is drawn, and the seed that fixes it. A series' forecast depends on
        its own context and the seed, never on the series beside it.
    engine
        ``"torch"`` runs the reference step by step, ``"compiled"`` the compiled kernels, ``"auto"``
        the faster one that this machine and model allow.
    attention_sharpness, quiet_steps
        What the attention's temperature is divided by, and how many first steps go without gate
        noise; None: as the checkpoint's config says (1 and 0 for the published weights).
    return_gates
        Also return the expert weights, ``(horizon, S, J)``; ``S`` is omitted for a single series.
        With more channels than N there is one series of weights per channel.
    n_samples
        Forecasts with different draws of the gate's noise. Sample i is, bit for bit, the forecast
        with the seed ``dynamix.ensembles.sample_seed(seed, i)``; sample 0 thus is the plain one.
        None: a single forecast and no ensemble.

    Returns
    -------
    The forecast, of the context's kind and dtype, ``horizon`` long, with a pandas index continued;
    with ``return_gates`` a pair of it and the weights (NumPy, or torch for a tensor context). With
    ``n_samples`` a first axis is added to both, ``(n_samples, horizon, ...)``; a DataFrame gets a
    first column level ``sample``, a pandas Series becomes a DataFrame with a column per sample.

    Raises
    ------
    InputError
        For a context that cannot be used (too short, not finite, constant, wrong rank, not
        numeric), and for unknown or contradictory options.

    Examples
    --------
    >>> t = np.arange(300)
    >>> forecast(np.sin(2 * np.pi * t / 30), horizon=50).shape
    (50,)
    """
    horizon = whole_number("horizon", horizon)
    seed = whole_number("seed", seed, least=0)
    if n_samples is not None:
        n_samples = whole_number("n_samples", n_samples)
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
    network = _resolve_model(model)
    if quiet_steps is None:
        quiet_steps = network.config.quiet_steps
    quiet_steps = whole_number("quiet_steps", quiet_steps, least=0)
    network = sharpened(network, attention_sharpness)
    N = network.config.observed_dims

    singly = n > N
    if singly:  # (T_C, S, n) -> (T_C, S n, 1): every channel a series of its own
        values = values.reshape(T_C, S * n, 1)
        start = None if start is None else start.reshape(S * n, 1)

    def prepare(seed: int) -> list[_Prepared]:
        return [
            _prepare(
                np.ascontiguousarray(values[:, s]),  # sums round the same whatever lies beside it
                None if start is None else start[s],
                dims=N,
                embedding=embedding,
                standardize=standardize,
                detrend=detrend,
                box_cox=box_cox,
                seed=seed,
            )
            for s in range(values.shape[1])
        ]

    random_embedding = embedding == "delay_random" and values.shape[2] < N
    prepared = [] if random_embedding else prepare(seed)

    def sample(seed: int) -> tuple[Any, Any]:
        items = prepare(seed) if random_embedding else prepared
        observations, gates = _roll_out(
            network,
            items,
            horizon=horizon,
            gate_noise=gate_noise,
            seed=seed,
            quiet_steps=quiet_steps,
            engine=engine,
            return_gates=return_gates,
        )
        out = np.empty((horizon, values.shape[1], values.shape[2]))
        for s, item in enumerate(items):
            kept = observations[:, s, : values.shape[2]].astype(np.float64)
            out[:, s] = invert_transforms(kept, item.transforms, start=T_C + 1)
        if gates is not None:
            one_series = np.ndim(context) < 3 and not singly
            gates = like(context, gates[:, 0] if one_series else gates)
        return restore(out.reshape(horizon, S, n)), gates

    if n_samples is None:
        result, gates = sample(seed)
        return (result, gates) if return_gates else result
    from .ensembles import draw, sample_seed, stack

    noisy = gate_noise and quiet_steps < horizon and bool((network.gate.sigma != 0).any())
    if noisy or network.config.probabilistic or random_embedding:
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


def sharpened(model: DynaMix, sharpness: float | None = None) -> DynaMix:
    """The model as forecasts use it: the attention's temperature divided by ``sharpness``.

    None takes the model's own, from its config. With 1 the model itself comes back.
    """
    factor = model.config.attention_sharpness if sharpness is None else sharpness
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not factor > 0:
        raise InputError(f"attention_sharpness must be a positive number, found {factor!r}.")
    if factor == 1:
        return model
    copied = copy.deepcopy(model)
    copied.gate.tau_att.data /= factor
    return copied


@dataclass(frozen=True)
class _Prepared:
    """One series as the model sees it."""

    context: Series
    initial: Float[ndarray, " N"] | None
    transforms: list[Transform]


def _prepare(
    x: Series,
    start: Float[ndarray, " n"] | None,
    *,
    dims: int,
    embedding: Embedding,
    standardize: bool,
    detrend: bool,
    box_cox: bool,
    seed: int,
) -> _Prepared:
    """Transform and embed one series, and complete its starting point."""
    scaled, transforms = fit_transforms(
        x, standardize=standardize, detrend=detrend, box_cox=box_cox
    )
    embedded = embed(scaled, dims=dims, embedding=embedding, seed=seed)
    if start is None:
        return _Prepared(embedded, None, transforms)
    given = start[None]
    for transform in transforms:
        given = transform.apply(given)
    # the dims that start lacks are those of the context state nearest in the dims it has
    n = x.shape[1]
    nearest = embedded[np.argmin(((embedded[:, :n] - given) ** 2).sum(axis=1))]
    return _Prepared(embedded, np.concatenate([given[0], nearest[n:]]), transforms)


def _roll_out(
    model: DynaMix,
    prepared: list[_Prepared],
    *,
    horizon: int,
    gate_noise: bool,
    seed: int,
    quiet_steps: int,
    engine: Engine,
    return_gates: bool,
) -> tuple[ndarray, ndarray | None]:
    """Run the model over all series, those of equal context length side by side."""
    import torch

    from .choice import chosen_rollout

    S, config = len(prepared), model.config
    dtype = {torch.float64: np.float64}.get(model.gate.D.dtype, np.float32)
    observations = np.empty((horizon, S, config.observed_dims), dtype=dtype)
    gates = np.empty((horizon, S, config.all_experts), dtype=dtype) if return_gates else None
    lengths: dict[int, list[int]] = {}
    for s, item in enumerate(prepared):  # delay embeddings shorten each context by its own delay
        lengths.setdefault(len(item.context), []).append(s)
    for members in lengths.values():
        contexts = np.stack([prepared[s].context for s in members], axis=1)
        starts = None
        if prepared[members[0]].initial is not None:
            starts = torch.from_numpy(np.stack([prepared[s].initial for s in members]))  # type: ignore[misc]
        run = functools.partial(run_engine, engine)
        if config.local_choice == "context":
            run = functools.partial(chosen_rollout, run)
        result = run(
            model,
            torch.from_numpy(contexts),
            horizon=horizon,
            initial_x=starts,
            gate_noise=gate_noise,
            seed=seed,
            quiet_steps=quiet_steps,
            return_gates=return_gates,
        )
        observations[:, members] = result.observations.cpu().numpy()
        if gates is not None and result.gates is not None:
            gates[:, members] = result.gates.cpu().numpy()
    return observations, gates


@lru_cache(maxsize=4)
def _cached_model(name: str) -> DynaMix:
    from .checkpoints import load

    return load(name)


def _resolve_model(model: DynaMix | str | Path | None) -> DynaMix:
    """The model itself, or the checkpoint of that name; bundled ones are read once."""
    from . import checkpoints
    from .model import DynaMix

    if isinstance(model, DynaMix):
        return model
    if model is None or str(model) in checkpoints.bundled():
        return _cached_model(str(model or BUNDLED_MODEL))
    if isinstance(model, str | Path):
        return checkpoints.load(model)
    raise InputError(
        f"model must be a DynaMix, a checkpoint's name or path, or None, found "
        f"{type(model).__name__}."
    )
