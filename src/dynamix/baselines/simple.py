"""Forecasters that a foundation model must be measured against, behind one call signature.

Each is ``f(context, horizon, *, seed) -> forecast`` with arrays ``(T, N)``. :func:`table` lists
them, :func:`baseline` finds one by name. Here are the registry and the ones that need no fitting;
:mod:`dynamix.baselines.regression` fits by linear algebra, :mod:`dynamix.baselines.trained` by
gradient descent, :mod:`dynamix.baselines.classical` holds the statisticians' own, and
:mod:`dynamix.baselines.pretrained` loads pretrained ones.

Called through :func:`baseline`, they have their arguments checked first (:class:`Baseline` says
how); the functions themselves trust theirs. There, a forecast that diverges is a result, not an
error: from the first step at which any channel lies :data:`FURTHEST` context deviations from the
context's mean, or is not finite, all channels are NaN.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..errors import InputError, one_of, whole_number
from .forecasters import DISTRIBUTION, FURTHEST, Baseline

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "BASELINES",
    "FURTHEST",
    "Baseline",
    "baseline",
    "is_rival",
    "mean",
    "naive",
    "parrot",
    "seasonal_naive",
    "table",
    "versions",
]

_MATCH_LENGTH = 10


def parrot(
    context: Float[ndarray, "T_C N"],
    horizon: int,
    *,
    seed: int = 0,
    match_length: int = _MATCH_LENGTH,
) -> Float[ndarray, "horizon N"]:
    """Context parroting: find the past most like the present, and repeat what followed it.

    The stretch of ``match_length`` states nearest (squared distance, channels standardised) to the
    context's last ones is looked up, and the context from there to its end is copied on, over and
    over. Zhang & Gilpin (2025) show how far this alone goes. The two stretches do not overlap: on a
    slow piece of an orbit the nearest would else be the last one, a step back, and the copy would
    stand still.

    Parameters
    ----------
    context
        ``(T_C, N)``, of at least 3 steps, in any units.
    horizon
        Steps to forecast.
    seed
        Taken for the sake of the signature; nothing is drawn.
    match_length
        Steps of the stretch, at least 1; at most half of the context's steps but one are used.

    Returns
    -------
    ``(horizon, N)``, states of the context in its units and dtype.

    Raises
    ------
    InputError
        If the context has fewer than 3 steps or ``match_length`` is below 1.

    Examples
    --------
    >>> x = np.tile([0.0, 1.0, 3.0], 10)[:, None]
    >>> parrot(x, 5).ravel()
    array([0., 1., 3., 0., 1.])
    >>> parrot(x[:2], 5)
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: parroting needs a context of at least 3 steps, found 2.
    """
    T_C = len(context)
    length = min(whole_number("match_length", match_length), (T_C - 1) // 2)
    if length < 1:
        raise InputError(f"parroting needs a context of at least 3 steps, found {T_C}.")
    scaled = context / np.maximum(context.std(axis=0), 1e-12)
    windows = np.lib.stride_tricks.sliding_window_view(scaled, length, axis=0)
    distance = ((windows[:-length] - windows[-1]) ** 2).sum(axis=(1, 2))
    follows = int(np.argmin(distance)) + length  # first step after the best match
    copied = context[follows:]
    return np.resize(copied, (horizon, context.shape[1])).astype(context.dtype)


def mean(
    context: Float[ndarray, "T_C N"], horizon: int, *, seed: int = 0
) -> Float[ndarray, "horizon N"]:
    """The context's mean, for ever: ``(horizon, N)`` in the units and dtype of the context.

    ``context`` is ``(T_C, N)``, ``horizon`` in steps; ``seed`` is taken for the sake of the
    signature, nothing is drawn.

    Examples
    --------
    >>> mean(np.array([[1.0, 10.0], [3.0, 30.0]]), 3)
    array([[ 2., 20.],
           [ 2., 20.],
           [ 2., 20.]])
    """
    return np.tile(context.mean(axis=0), (horizon, 1)).astype(context.dtype)


def naive(
    context: Float[ndarray, "T_C N"], horizon: int, *, seed: int = 0
) -> Float[ndarray, "horizon N"]:
    """The context's last state, for ever: ``(horizon, N)`` in the units and dtype of the context.

    ``context`` is ``(T_C, N)``, ``horizon`` in steps; ``seed`` is taken for the sake of the
    signature, nothing is drawn.

    Examples
    --------
    >>> naive(np.array([[1.0, 10.0], [3.0, 30.0]]), 2)
    array([[ 3., 30.],
           [ 3., 30.]])
    """
    return np.tile(context[-1], (horizon, 1))


def seasonal_naive(
    context: Float[ndarray, "T_C N"], horizon: int, *, seed: int = 0
) -> Float[ndarray, "horizon N"]:
    """Each channel's last season, over and over: :func:`dynamix.baselines.classical.seasonal_naive`.

    A channel's season is its own :func:`dynamix.preprocessing.dominant_period`, which may be a
    multiple of its shortest period; a constant channel stays as it is.

    ``context`` is ``(T_C, N)``, of at least 3 steps; ``horizon`` in steps; ``seed`` is taken for
    the sake of the signature, nothing is drawn. The forecast is ``(horizon, N)``, in the units and
    dtype of the context. Hyndman & Athanasopoulos (2021) describe the method for a known season.

    Examples
    --------
    Two channels with seasons of 4 and 6 steps, both at the beginning of one:

    >>> t = np.arange(120)
    >>> seasonal_naive(np.stack([t % 4, t % 6], axis=1).astype(float), 5)
    array([[0., 0.],
           [1., 1.],
           [2., 2.],
           [3., 3.],
           [0., 4.]])
    """
    from ..preprocessing.transforms import dominant_period
    from . import classical

    channels = []
    for channel in np.split(context, context.shape[1], axis=1):
        still = channel.std() <= 1e-12 * abs(channel[0, 0])
        season = 1 if still else dominant_period(channel)
        channels.append(classical.seasonal_naive(channel, horizon, season=season))
    return np.concatenate(channels, axis=1)


def _entries() -> Iterator[Baseline]:
    def entry(name: str, what: str, source: str, function: str, **more: Any) -> Baseline:
        more = {"trained": False, "joint": False} | more
        if more.get("packages"):
            more.setdefault("extra", "baselines")
        return Baseline(name, what, source, function, **more)

    here, fits, trains = "simple:", "regression:", "trained:"
    both = {"trained": True, "joint": True}
    yield entry(
        "parrot",
        "the past most like the present, and what followed it, copied over and over",
        "Zhang & Gilpin (2025)",
        f"{here}parrot",
        joint=True,
    )
    yield entry("mean", "the context's mean", "", f"{here}mean")
    yield entry("naive", "the context's last state", "", f"{here}naive")
    yield entry(
        "seasonal_naive",
        "each channel's last season, over and over",
        "Hyndman & Athanasopoulos (2021)",
        f"{here}seasonal_naive",
    )
    for name, what, source in (
        ("auto_arima", "ARIMA of the order that AICc picks", "Hyndman & Khandakar (2008)"),
        ("auto_ets", "exponential smoothing of the kind that AICc picks", "Hyndman et al. (2002)"),
        ("auto_theta", "the best of four Theta models", "Fiorucci et al. (2016)"),
    ):
        yield entry(
            name, what, source, f"classical:{name}", trained=True, packages=("statsforecast",)
        )
    yield entry(
        "echo_state",
        "echo-state network: random reservoir, ridge-regression readout",
        "Jaeger & Haas (2004)",
        f"{fits}echo_state",
        packages=("reservoirpy", "threadpoolctl"),
        **both,
    )
    yield entry(
        "dmd",
        "dynamic mode decomposition of delayed copies: one linear map",
        "Schmid (2010); Arbabi & Mezic (2017)",
        f"{fits}dmd",
        packages=("pydmd", "threadpoolctl"),
        **both,
    )
    yield entry(
        "edmd",
        "Koopman operator on polynomials of the state (extended DMD)",
        "Williams, Kevrekidis & Rowley (2015)",
        f"{fits}edmd",
        packages=("pydmd", "threadpoolctl"),
        **both,
    )
    yield entry(
        "sindy",
        "sparse polynomial differential equation, identified and integrated",
        "Brunton, Proctor & Kutz (2016)",
        f"{fits}sindy",
        packages=("pysindy",),
        **both,
    )
    for kind, what, source in (
        ("alrnn", "almost-linear RNN", "Brenner et al. (2024)"),
        ("lstm", "LSTM", "Hochreiter & Schmidhuber (1997)"),
    ):
        yield entry(
            f"{kind}_stf",
            f"{what} trained on the context by sparse teacher forcing",
            f"{source}; Mikhaeil et al. (2022)",
            f"{trains}{kind}_stf",
            **both,
        )
        yield entry(
            f"{kind}_tf",
            f"{what} trained on the context by teacher forcing at every step",
            source,
            f"{trains}{kind}_tf",
            **both,
        )
    yield entry(
        "neural_ode",
        "differential equation with a neural right-hand side, trained on the context",
        "Chen et al. (2018)",
        f"{trains}neural_ode",
        packages=("torchdiffeq",),
        **both,
    )


# those that need no weights; what is pretrained is found by `baseline` too, and listed by `table`
BASELINES: dict[str, Baseline] = {item.name: item for item in _entries()}


def baseline(name: str | Path) -> Baseline:
    """The forecaster of that name.

    Parameters
    ----------
    name
        One of :data:`BASELINES`; a pretrained model that :mod:`dynamix.baselines.pretrained` knows, such as
        ``"chronos-bolt-small"``, or the folder of one; or what
        :meth:`dynamix.DynaMix.from_pretrained` takes. A name with a slash or a suffix is taken for
        a DynaMix checkpoint, which is looked for when the forecaster is called.

    Returns
    -------
    A :class:`Baseline`, to be called as ``f(context, horizon, seed=seed)``. Nothing is loaded yet.

    Raises
    ------
    InputError
        If there is none; the message lists them. Also for a folder with a Chronos model of a kind
        that is not known here.

    Examples
    --------
    >>> parroting = baseline("parrot")
    >>> parroting.source, parroting.trained
    ('Zhang & Gilpin (2025)', False)
    >>> parroting(np.tile([0.0, 1.0, 3.0], 10)[:, None], 4).ravel()
    array([0., 1., 3., 0.])
    >>> baseline("parot")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: unknown model 'parot'. Known: parrot, ... Did you mean 'parrot'?
    """
    from ..model import checkpoints
    from . import pretrained as foundation

    text = str(name)
    if text in BASELINES:
        return BASELINES[text]
    if foundation.knows(text):
        return foundation.entry(text)
    if text not in checkpoints.bundled() and not ("/" in text or Path(text).suffix):
        one_of("model", text, [*BASELINES, *foundation.MODELS, *checkpoints.bundled()])
    return _dynamix(text)


def is_rival(name: object) -> bool:
    """Whether the name is that of a forecaster other than DynaMix.

    ``name`` may be anything: what is no string, or is not known, is no rival.

    Examples
    --------
    >>> is_rival("parrot"), is_rival("chronos-bolt-small"), is_rival("dynamix-3d"), is_rival(None)
    (True, True, False, False)
    """
    from . import pretrained as foundation

    return isinstance(name, str) and (name in BASELINES or foundation.knows(name))


def table() -> pd.DataFrame:
    """All forecasters, pretrained ones included: a row each, indexed by name.

    Returns
    -------
    Columns: ``what`` it is, its ``source``, ``fitted`` (to the context: yes or no), ``channels``
    (together or each alone), ``needs`` (what pip installs beyond this package), and ``here``,
    whether its packages and, for a pretrained one, its weights are on this machine. Nothing is
    downloaded to find out.

    Examples
    --------
    >>> rivals = table()
    >>> rivals.loc["dmd", ["fitted", "channels", "needs"]].tolist()
    ['yes', 'together', 'dynamix-companion[baselines]']
    >>> rivals.loc["naive", ["fitted", "channels", "needs"]].tolist()
    ['no', 'each alone', '']
    """
    import pandas as pd

    from ..model import checkpoints
    from . import pretrained as foundation

    pretrained = [*map(foundation.entry, foundation.MODELS)]
    bundled = [*map(_dynamix, checkpoints.bundled())]
    rows = [
        {
            "name": item.name,
            "what": item.what,
            "source": item.source,
            "fitted": "yes" if item.trained else "no",
            "channels": "together" if item.joint else "each alone",
            "needs": f"{DISTRIBUTION}[{item.extra}]" if item.extra else "",
            "here": all(util.find_spec(name) is not None for name in item.packages)
            and (item not in pretrained or foundation.here(item.name)),
        }
        for item in (*BASELINES.values(), *pretrained, *bundled)
    ]
    return pd.DataFrame(rows).set_index("name")


def versions(name: object) -> dict[str, str]:
    """Versions of the packages behind a rival, for the record of a result; none for a model.

    Parameters
    ----------
    name
        Of a rival (:func:`is_rival`); anything else gives an empty record.

    Returns
    -------
    The version of each package that the rival needs beyond this one, by the package's name.

    Raises
    ------
    InputError
        If such a package is not installed.

    Examples
    --------
    >>> versions("parrot"), versions("dynamix-3d")
    ({}, {})
    >>> list(versions("dmd"))
    ['pydmd', 'threadpoolctl']
    """
    if not isinstance(name, str) or not is_rival(name):
        return {}
    known = metadata.packages_distributions()
    packages = {p: known.get(p, [p])[0] for p in baseline(name).packages}
    try:
        return {package: metadata.version(found) for package, found in packages.items()}
    except metadata.PackageNotFoundError as error:
        raise InputError(
            f"{name} needs {', '.join(packages)}, not all of them installed here. Install them "
            "with: pip install 'dynamix-companion[baselines,realworld]'"
        ) from error


def _dynamix(name: str) -> Baseline:
    return Baseline(
        name,
        "DynaMix: mixture of almost-linear RNNs, shown the context and not trained on it",
        "Hemmer & Durstewitz (2025)",
        "simple:dynamix",
        trained=False,
        joint=True,
        argument=name,
    )


def dynamix(
    model: str, context: Float[ndarray, "T_C N"], horizon: int, *, seed: int = 0
) -> Float[ndarray, "horizon N"]:
    """:func:`dynamix.forecast` by the checkpoint of that name, behind the rivals' signature.

    Parameters
    ----------
    model
        What :meth:`dynamix.DynaMix.from_pretrained` takes; :func:`baseline` fills it in.
    context
        ``(T_C, N)``, in any units.
    horizon
        Steps to forecast.
    seed
        Of the gate's noise.

    Returns
    -------
    ``(horizon, N)``, in the units and dtype of the context; every option of the forecast is at its
    default.

    Raises
    ------
    InputError
        If there is no such checkpoint, or the context cannot be used, as :func:`dynamix.forecast`
        says.

    Examples
    --------
    >>> from dynamix import forecast
    >>> x = np.sin(np.arange(300) / 5)[:, None]
    >>> y = dynamix("dynamix-3d", x, 20, seed=1)
    >>> y.shape, bool((y == forecast(x, horizon=20, model="dynamix-3d", seed=1)).all())
    ((20, 1), True)
    """
    from ..forecasting.zero_shot import forecast

    return forecast(context, horizon=horizon, model=model, seed=seed)
