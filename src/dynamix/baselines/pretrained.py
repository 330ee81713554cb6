"""Pretrained time-series models as forecasters, each run by its own package.

All but Chronos-2 forecast each channel alone. The forecast is the median. Beyond its prediction
length a package feeds its forecast back by its own scheme; TimesFM's median is appended here. A
context longer than the model takes loses its beginning. TimesFM takes whole patches, so it loses up
to 31 steps more: padding would enter its mean. TimesFM may forecast negative values.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from ..errors import InputError
from ..io.scale import unit
from ..io.shapes import Float
from ..preprocessing.transforms import distant_mean
from .registry import Baseline, register, register_family

WEIGHTS = "DYNAMIX_WEIGHTS"
_SHORTEST = 8  # steps of a context that Fracast-0 takes

KINDS = {  # what it is, its source, the package that runs it
    "chronos-t5": (
        "T5 over binned values, Chronos-T5",
        "Ansari et al. (2024)",
        "chronos",
    ),
    "chronos-bolt": ("quantile patch transformer, Chronos-Bolt", "Ansari et al. (2024)", "chronos"),
    "chronos-2": ("multivariate patch transformer, Chronos-2", "Ansari et al. (2025)", "chronos"),
    "timesfm-2.5": ("patch transformer, TimesFM 2.5", "Das et al. (2024)", "transformers"),
}
_JOINT = "chronos-2"  # the kind that sees all channels together
_SIZES = {
    "chronos-t5": {"tiny": "8M", "mini": "20M", "small": "46M", "base": "200M", "large": "710M"},
    "chronos-bolt": {"tiny": "9M", "mini": "21M", "small": "48M", "base": "205M"},
}
MODELS = {  # name: kind, address on the hub, parameters
    f"{kind}-{size}": (kind, f"amazon/{kind}-{size}", parameters)
    for kind, sizes in _SIZES.items()
    for size, parameters in sizes.items()
} | {
    "chronos-2": ("chronos-2", "amazon/chronos-2", "120M"),
    "timesfm-2.5": ("timesfm-2.5", "google/timesfm-2.5-200m-transformers", "200M"),
}
_PIPELINES = {
    "ChronosPipeline": "chronos-t5",
    "ChronosBoltPipeline": "chronos-bolt",
    "Chronos2Pipeline": "chronos-2",
}


@register_family(names=lambda: MODELS)
def pretrained(name: Any) -> Baseline | None:
    """The entry of a published model's name, of a folder, or of a folder in ``DYNAMIX_WEIGHTS``."""
    folder = _folder(name) if isinstance(name, str) else None
    if folder is None and name not in MODELS:
        return None
    kind = kind_of(folder) if folder is not None else MODELS[name][0]
    what, source, package = KINDS[str(kind)]
    return Baseline(
        name,
        f"{what}, {MODELS[name][2]} parameters" if name in MODELS else what,
        source,
        partial(_median, name),
        joint=kind == _JOINT,
        extra="foundation",
        packages=(package,),
        weights_here=partial(_here, name),
    )


def kind_of(folder: Path) -> str | None:
    """Which of :data:`KINDS` a folder's ``config.json`` describes; None for anything else."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(config, dict):
        return None
    if "chronos_config" in config:
        pipeline = config.get("chronos_pipeline_class", "ChronosPipeline")
        if pipeline not in _PIPELINES:
            raise InputError(
                f"{folder.name!r} is a Chronos model of the kind {pipeline!r}; known are "
                f"{', '.join(_PIPELINES)}."
            )
        return _PIPELINES[pipeline]
    return "timesfm-2.5" if config.get("model_type") == "timesfm2_5" else None


@register(
    "fracast",
    "dilated convolutions of shared weights, Fracast-0, 85,001 parameters, weights in its package",
    "Fracast contributors (2026)",
    extra="foundation",
    packages=("fracast",),
)
def fracast(
    context: Float[ndarray, "T_C N"], horizon: int, *, seed: int = 0
) -> Float[ndarray, "horizon N"]:
    """The median forecast of Fracast-0; ``seed`` has no effect."""
    return fracast_deciles(context, horizon)[4]


def fracast_deciles(
    context: Float[ndarray, "T_C N"], horizon: int
) -> Float[ndarray, "9 horizon N"]:
    """Fracast-0's quantiles at 0.1, 0.2, ..., 0.9: nine equally likely forecasts.

    It sees the last 2,048 steps, forecasts 48, appends their median to the context, and forecasts
    the next 48. So the quantiles of step 49 and later assume that the median came true.
    """
    if len(context) < _SHORTEST:
        raise InputError(
            f"'fracast' needs a context of at least {_SHORTEST} steps, found {len(context)}."
        )
    middle = distant_mean(context)
    size = unit(context - middle)
    rows = _fracast().forecast(((context - middle) / size).T, horizon=horizon)
    return np.moveaxis(rows.astype(np.float64), 2, 0).swapaxes(1, 2) * size + middle


@lru_cache(maxsize=1)
def _fracast() -> Any:
    from fracast import FracastModel

    return FracastModel.from_pretrained()  # without a name: the weights in the package


def _median(
    name: str, context: Float[ndarray, "T_C N"], horizon: int, *, seed: int = 0
) -> Float[ndarray, "horizon N"]:
    """The median forecast, float64; the seed has an effect on Chronos-T5 alone."""
    import torch

    folder = _folder(name)
    source = str(folder) if folder is not None else name
    kind = kind_of(folder) if folder is not None else MODELS[name][0]
    predict = _load(source)
    middle = distant_mean(context)  # centred before the cast, which would leave no digits
    size = unit(context - middle)
    series = torch.tensor(((context - middle) / size).T, dtype=torch.float32)  # (N, T_C)
    # a copy of each channel: its place in memory would show in the last digit
    together = [series] if kind == _JOINT else [one[None].clone() for one in series]
    result = []
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        for channels in together:
            torch.manual_seed(seed)  # for each: a channel's samples do not depend on the others
            result.append(predict(channels, horizon).numpy().astype(np.float64))
    return np.concatenate(result).T * size + middle


def _here(name: str) -> bool:
    """Whether the weights are on this machine, in a folder or in the hub's cache."""
    if _folder(name) is not None:
        return True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a notebook's missing progress-bar widget
        from huggingface_hub import try_to_load_from_cache

    return any(
        isinstance(try_to_load_from_cache(MODELS[name][1], file), str)
        for file in ("model.safetensors", "model.safetensors.index.json")
    )


def _folder(name: str) -> Path | None:
    """The local folder of a model, given by path or by name inside ``DYNAMIX_WEIGHTS``."""
    candidates = [Path(name).expanduser()] if os.sep in name or "/" in name else []
    if os.environ.get(WEIGHTS):
        root = Path(os.environ[WEIGHTS]).expanduser()
        if Path(name).name == name:  # nothing outside of this folder
            candidates.append(root / name)
        if name in MODELS:  # as the hub calls it
            candidates.append(root / MODELS[name][1].split("/")[-1])
    return next((path for path in candidates if kind_of(path) is not None), None)


@lru_cache(maxsize=2)
def _load(source: str) -> Callable[[Any, int], Any]:
    """``predict(channels (n, T), horizon) -> (n, horizon)`` of a folder or a hub model's name."""
    kind, hub, _ = MODELS.get(source) or (kind_of(Path(source)), "", "")
    try:
        with no_bar():
            if kind == "timesfm-2.5":
                return _timesfm(hub or source)
            return _chronos(hub or source, joint=kind == _JOINT)
    except Exception as error:  # the packages raise whatever their own parts do
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        if not hub:
            raise InputError(
                f"the model in the folder {Path(source).name!r} cannot be loaded: {first}. It "
                "should hold config.json and model.safetensors as its package writes them."
            ) from error
        raise InputError(
            f"the weights of {source!r} are not available: {first}. Without network, put the files "
            f"of {hub} (config.json, model.safetensors) into a folder {source!r} inside the "
            f"folder that the environment variable {WEIGHTS} names."
        ) from error


@contextmanager
def no_bar() -> Iterator[None]:
    """Without the bar that transformers draws while it reads a file; downloads keep theirs."""
    from transformers.utils import logging

    enabled = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if enabled:
            logging.enable_progress_bar()


def _chronos(source: str, *, joint: bool) -> Callable[[Any, int], Any]:
    import torch
    from chronos import BaseChronosPipeline

    pipeline: Any = BaseChronosPipeline.from_pretrained(
        source, device_map="cpu", dtype=torch.float32, use_safetensors=True
    )

    def predict(channels: Any, horizon: int) -> Any:
        inputs = channels[None] if joint else channels  # Chronos-2 takes (series, channels, T)
        quantiles, _ = pipeline.predict_quantiles(
            inputs, prediction_length=horizon, quantile_levels=[0.5]
        )
        return (quantiles[0] if joint else quantiles)[..., 0]

    return predict


def _timesfm(source: str) -> Callable[[Any, int], Any]:
    import torch
    from transformers import TimesFm2_5ModelForPrediction

    model = TimesFm2_5ModelForPrediction.from_pretrained(
        source, dtype=torch.float32, use_safetensors=True
    ).eval()
    patch, longest = model.config.patch_length, model.config.context_length

    def predict(channels: Any, horizon: int) -> Any:
        steps = channels.shape[1]
        while channels.shape[1] < steps + horizon:
            seen = min(channels.shape[1], longest)
            whole = max(seen - seen % patch, patch)
            ahead = model(
                past_values=list(channels),
                forecast_context_len=whole,
                truncate_negative=False,
            ).mean_predictions
            channels = torch.cat([channels, ahead], dim=1)
        return channels[:, steps : steps + horizon]

    return predict
