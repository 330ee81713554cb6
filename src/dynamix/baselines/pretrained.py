"""Pretrained time-series models behind the rivals' call signature, through their own packages.

Chronos-T5, Chronos-Bolt and Chronos-2 (Ansari et al. 2024, 2025) come with ``chronos-forecasting``,
TimesFM 2.5 (Das et al. 2024) with ``transformers``. What the adapters decide, and nothing else:

* Chronos-T5, Chronos-Bolt and TimesFM are univariate: each channel is forecast alone, whatever lies
  beside it. Chronos-2 is given all channels as one multivariate series.
* The forecast is the median: of the sample paths (Chronos-T5), or the 0.5 quantile.
* Beyond a model's prediction length its forecast is fed back: by the Chronos packages' own scheme
  (Chronos-T5 appends its median; Bolt and Chronos-2 follow nine quantiles and reduce them), and for
  TimesFM, which has none in ``transformers``, by appending the median.
* Contexts longer than a model takes lose their beginning. TimesFM wants whole patches, so it loses
  up to 31 steps more: padding would enter its mean.
* TimesFM's clamp to non-negative values is off: a state may cross zero even if its context did not.

Weights come from the folder ``NAME`` inside the folder that the environment variable
``DYNAMIX_WEIGHTS`` names, from a path given instead of a name, or from the Hugging Face hub.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..errors import InputError
from .forecasters import Baseline

WEIGHTS = "DYNAMIX_WEIGHTS"

_CHRONOS = "Ansari et al. (2024)"


class Pretrained(NamedTuple):
    """A published model.

    Fields: its ``kind``, a key of :data:`KINDS`; ``hub``, where it lies on the Hugging Face hub;
    ``parameters``, how many it has.

    Examples
    --------
    >>> MODELS["chronos-bolt-tiny"]
    Pretrained(kind='chronos-bolt', hub='amazon/chronos-bolt-tiny', parameters='9M')
    """

    kind: str
    hub: str
    parameters: str


class Kind(NamedTuple):
    """What holds for all models of a kind.

    Fields: ``what`` it is; its ``source``; the ``package`` that runs it; ``joint``, whether it sees
    all channels together.

    Examples
    --------
    >>> [name for name, kind in KINDS.items() if kind.joint]
    ['chronos-2']
    """

    what: str
    source: str
    package: str
    joint: bool


KINDS = {
    "chronos-t5": Kind(
        "language model on binned values, Chronos-T5", _CHRONOS, "chronos", joint=False
    ),
    "chronos-bolt": Kind(
        "patch transformer that predicts quantiles, Chronos-Bolt", _CHRONOS, "chronos", joint=False
    ),
    "chronos-2": Kind(
        "multivariate patch transformer, Chronos-2", "Ansari et al. (2025)", "chronos", joint=True
    ),
    "timesfm-2.5": Kind(
        "decoder-only patch transformer, TimesFM 2.5",
        "Das et al. (2024)",
        "transformers",
        joint=False,
    ),
}
_SIZES = {
    "chronos-t5": {"tiny": "8M", "mini": "20M", "small": "46M", "base": "200M", "large": "710M"},
    "chronos-bolt": {"tiny": "9M", "mini": "21M", "small": "48M", "base": "205M"},
}
MODELS = {
    f"{kind}-{size}": Pretrained(kind, f"amazon/{kind}-{size}", parameters)
    for kind, sizes in _SIZES.items()
    for size, parameters in sizes.items()
} | {
    "chronos-2": Pretrained("chronos-2", "amazon/chronos-2", "120M"),
    "timesfm-2.5": Pretrained("timesfm-2.5", "google/timesfm-2.5-200m-transformers", "200M"),
}
_PIPELINES = {
    "ChronosPipeline": "chronos-t5",
    "ChronosBoltPipeline": "chronos-bolt",
    "Chronos2Pipeline": "chronos-2",
}


def knows(name: str) -> bool:
    """Whether this names a pretrained model: a published one, or a folder that holds one.

    ``name`` is a key of :data:`MODELS`, a path, or the name of a folder inside the one that
    ``DYNAMIX_WEIGHTS`` names.

    Raises
    ------
    InputError
        If the folder holds a Chronos model of a kind that is not known here.

    Examples
    --------
    >>> knows("chronos-2"), knows("theta")
    (True, False)
    """
    return name in MODELS or _folder(name) is not None


def here(name: str) -> bool:
    """Whether the weights are on this machine, in a folder or in the hub's cache.

    Nothing is fetched. ``name`` as of :func:`knows`, which has to accept it.

    Raises
    ------
    InputError
        If it does not, or the folder holds a Chronos model of a kind that is not known here.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "config.json").write_text('{"model_type": "timesfm2_5"}')
    ...     here(folder)
    True
    """
    if _known_folder(name) is not None:
        return True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a notebook's missing progress-bar widget
        from huggingface_hub import try_to_load_from_cache

    return any(
        isinstance(try_to_load_from_cache(MODELS[name].hub, file), str)
        for file in ("model.safetensors", "model.safetensors.index.json")
    )


def entry(name: str) -> Baseline:
    """The forecaster of a ``name`` that :func:`knows` accepts.

    It is called as every baseline, ``f(context, horizon, seed=0)``; no weights are read before.

    Raises
    ------
    InputError
        If :func:`knows` does not accept the name, or the folder holds a Chronos model of a kind
        that is not known here.

    Examples
    --------
    >>> entry("chronos-2").what
    'multivariate patch transformer, Chronos-2, 120M parameters'
    >>> entry("chronos-bolt-tiny").joint  # each channel is forecast alone
    False
    """
    folder = _known_folder(name)
    kind = kind_of(folder) if folder is not None else MODELS[name].kind
    assert kind is not None
    what = KINDS[kind].what
    return Baseline(
        name,
        f"{what}, {MODELS[name].parameters} parameters" if name in MODELS else what,
        KINDS[kind].source,
        "pretrained:forecast",
        trained=False,
        joint=KINDS[kind].joint,
        extra="foundation",
        packages=(KINDS[kind].package,),
        argument=name,
    )


def forecast(
    name: str, context: Float[ndarray, "T_C N"], horizon: int, *, seed: int = 0
) -> Float[ndarray, "horizon N"]:
    """Continue a context with the pretrained model of that name or folder.

    How each kind is asked stands at the top of this module. :func:`dynamix.baselines.baseline`
    gives the same forecaster with checks of its input.

    Parameters
    ----------
    name
        As of :func:`knows`, which has to accept it.
    context
        ``(T_C, N)``, finite.
    horizon
        Steps to forecast.
    seed
        Of the sample paths of Chronos-T5; the others draw nothing.

    Returns
    -------
    ``(horizon, N)``, float64, in the context's units. It is the median of the model's samples, or
    its 0.5 quantile.

    Raises
    ------
    InputError
        If :func:`knows` does not accept the name; if its weights are neither on this machine nor to
        be had from the hub, or are damaged; or if the package that runs them is not installed.

    Examples
    --------
    The controlled transformer of :mod:`dynamix.baselines.transformer` is a Chronos-T5, too:

    >>> from importlib import resources
    >>> folder = resources.files("dynamix") / "data" / "models" / "transformer-control"
    >>> x = np.sin(np.arange(64.0) / 5)[:, None]
    >>> y = forecast(str(folder), x, 4)
    >>> y.shape, bool((y == forecast(str(folder), x, 4, seed=0)).all())
    ((4, 1), True)
    """
    import torch

    folder = _known_folder(name)
    predict = _load(str(folder), None) if folder is not None else _load(name, MODELS[name].hub)
    series = torch.tensor(context.T, dtype=torch.float32)  # (N, T_C)
    # a copy of each channel: where it lay in memory would show in the last digit
    together = [series] if entry(name).joint else [channel[None].clone() for channel in series]
    result = []
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        for channels in together:
            torch.manual_seed(seed)  # for each: a channel's samples do not depend on those before
            result.append(predict(channels, horizon).numpy().astype(np.float64))
    return np.concatenate(result).T


def kind_of(folder: Path) -> str | None:
    """Which of :data:`KINDS` a folder's ``config.json`` describes; None for anything else.

    ``folder`` is a path; it need not exist.

    Raises
    ------
    InputError
        If it is a Chronos model of a kind that is not known here.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     print(kind_of(Path(name)))  # empty
    ...     config = {"chronos_config": {}, "chronos_pipeline_class": "Chronos2Pipeline"}
    ...     _ = (Path(name) / "config.json").write_text(json.dumps(config))
    ...     kind_of(Path(name))
    None
    'chronos-2'
    """
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


def _known_folder(name: str) -> Path | None:
    """The folder, None for a model that the hub has; an error where the name is neither's."""
    folder = _folder(name)
    if folder is None and name not in MODELS:
        raise InputError(
            f"unknown pretrained model {name!r}. Known: {', '.join(MODELS)}; or give the folder of "
            f"one, by its path or by its name inside the folder that {WEIGHTS} names."
        )
    return folder


def _folder(name: str) -> Path | None:
    """The local folder of a model, given by path or by name inside ``DYNAMIX_WEIGHTS``."""
    candidates = [Path(name).expanduser()] if os.sep in name or "/" in name else []
    if os.environ.get(WEIGHTS):
        root = Path(os.environ[WEIGHTS]).expanduser()
        candidates.append(root / name)
        if name in MODELS:  # as the hub calls it
            candidates.append(root / MODELS[name].hub.split("/")[-1])
    return next((path for path in candidates if kind_of(path) is not None), None)


@lru_cache(maxsize=2)
def _load(name: str, hub: str | None) -> Callable[[Any, int], Any]:
    """``predict(channels (n, T), horizon) -> (n, horizon)`` of a folder or a hub model."""
    kind = MODELS[name].kind if hub is not None else kind_of(Path(name))
    try:
        with _no_bar():
            if kind == "timesfm-2.5":
                return _timesfm(hub or name)
            return _chronos(hub or name, joint=kind == "chronos-2")
    except Exception as error:  # the packages raise whatever their own parts do
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        if hub is None:
            raise InputError(
                f"the model in the folder {Path(name).name!r} cannot be loaded: {first}. It should "
                "hold config.json and model.safetensors as its package writes them."
            ) from error
        raise InputError(
            f"the weights of {name!r} are not to be had: {first}. Without network, put the files "
            f"of {hub} (config.json, model.safetensors) into a folder {name!r} inside the "
            f"folder that the environment variable {WEIGHTS} names."
        ) from error


@contextmanager
def _no_bar() -> Iterator[None]:
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
        inputs = channels[None] if joint else channels  # Chronos-2 wants (series, channels, T)
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
