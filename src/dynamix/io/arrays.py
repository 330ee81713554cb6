"""The caller's arrays in, the caller's arrays out: NumPy, pandas and torch around one layout.

Inside the library a context is ``(T_C, S, n)`` in float64, checked; outside it is whatever the user
has. Nothing here knows the model.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..errors import InputError, whole_number


def unpack(context: Any) -> tuple[Float[ndarray, "T_C S n"], Callable[[ndarray], Any]]:
    """The context as ``(T_C, S, n)`` float64, and a function that gives a forecast its kind."""
    kind = f"{type(context).__module__.split('.')[0]}.{type(context).__name__}"
    if kind in ("pandas.DataFrame", "pandas.Series"):
        return _unpack_pandas(context)
    array = to_numpy(context)
    dtype = array.dtype if array.dtype in (np.float32, np.float64) else np.dtype(np.float64)
    if array.ndim not in (1, 2, 3):
        raise InputError(
            "context must have shape (time,), (time, channels) or (time, series, channels), found "
            f"{array.ndim} dimensions: {array.shape}."
        )
    shape_3d = {1: (-1, 1, 1), 2: (len(array), 1, -1), 3: array.shape}[array.ndim]
    if array.size == 0:
        raise InputError(f"context is empty: its shape is {array.shape}. Give at least 2 steps.")

    def restore(out: ndarray) -> Any:
        return like(context, out.reshape(len(out), *array.shape[1:]).astype(dtype, copy=False))

    return array.reshape(shape_3d).astype(np.float64), restore


def to_numpy(context: Any) -> ndarray:
    """Any array-like as a real numeric NumPy array."""
    if type(context).__module__.split(".")[0] == "torch":
        context = context.detach().cpu()
        context = context.float() if context.dtype.itemsize < 4 else context  # half precision
        context = context.numpy()
    try:
        array = np.asarray(context)
    except ValueError as error:
        raise InputError(f"context must be a rectangular array of numbers: {error}.") from error
    if array.dtype.kind not in "fiu":
        raise InputError(
            f"context must hold real numbers, found dtype {array.dtype}. Convert it to float first."
        )
    return array


def like(context: Any, out: ndarray) -> Any:
    """``out`` as a tensor on the context's device where the context is one."""
    if type(context).__module__.split(".")[0] != "torch":
        return out
    import torch

    dtype = context.dtype if context.is_floating_point() else None
    return torch.from_numpy(np.ascontiguousarray(out)).to(device=context.device, dtype=dtype)


def _unpack_pandas(context: Any) -> tuple[Float[ndarray, "T_C S n"], Callable[[ndarray], Any]]:
    import pandas as pd

    frame = context.to_frame() if isinstance(context, pd.Series) else context
    if frame.empty:
        raise InputError(f"context is empty: its shape is {frame.shape}. Give at least 2 rows.")
    bad = [
        f"{name!r} ({dtype})"
        for name, dtype in zip(frame.columns, frame.dtypes, strict=True)
        if not pd.api.types.is_numeric_dtype(dtype)
        or pd.api.types.is_bool_dtype(dtype)
        or pd.api.types.is_complex_dtype(dtype)
    ]
    if bad:
        raise InputError(
            f"context must have numeric columns only, found {', '.join(bad)}. Drop or convert "
            "them (command line: name the others with --columns); dates belong in the index."
        )
    values = frame.to_numpy(dtype=np.float64, na_value=np.nan)
    float32 = all(dtype == np.float32 for dtype in frame.dtypes)

    @cache  # an ensemble asks for each sample
    def later(steps: int) -> Any:
        return continue_index(frame.index, steps)

    def restore(out: ndarray) -> Any:
        result = pd.DataFrame(
            out[:, 0].astype(np.float32 if float32 else np.float64),
            index=later(len(out)),
            columns=frame.columns,
        )
        if isinstance(context, pd.Series):
            return result.iloc[:, 0].rename(context.name)
        return result

    if len(frame) > 1:
        continue_index(frame.index, 1)  # an index that cannot go on is an error before the work
    return values[:, None, :], restore


def continue_index(index: Any, steps: int) -> Any:
    """The next ``steps`` labels of a pandas index with regular steps: dates, periods or numbers.

    Parameters
    ----------
    index
        A context's. Two labels show the step; periods, and dates that carry their frequency, need
        one.
    steps
        Labels wanted, at least 1.

    Returns
    -------
    A pandas index of the kind and name of ``index``.

    Raises
    ------
    InputError
        If ``steps`` is no integer of at least 1, the labels are not regular, there are too few to
        tell, or they are neither dates nor numbers.

    Examples
    --------
    >>> import pandas as pd
    >>> months = pd.DatetimeIndex(["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"])
    >>> [str(date.date()) for date in continue_index(months, 2)]
    ['2024-05-01', '2024-06-01']
    >>> continue_index(pd.Index([0.0, 0.5, 1.0]), 3).tolist()
    [1.5, 2.0, 2.5]
    >>> continue_index(pd.Index([0, 1, 3]), 3)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: the context's index (int64, from ...) cannot be continued: ...
    """
    import pandas as pd

    steps, name = whole_number("steps", steps), index.name
    if isinstance(index, pd.PeriodIndex):
        return pd.period_range(index[-1] + 1, periods=steps, freq=index.freq, name=name)
    if isinstance(index, pd.DatetimeIndex | pd.TimedeltaIndex):
        spacing: Any = index.freq
        if spacing is None and len(index) >= 3:
            guess = pd.infer_freq(index)
            spacing = None if guess is None else pd.tseries.frequencies.to_offset(guess)
        gaps = index.to_series().diff().dropna()
        if spacing is None and gaps.nunique() == 1 and gaps.iloc[0] > pd.Timedelta(0):
            spacing = gaps.iloc[0]
        if spacing is None:
            raise InputError(
                f"the context's dates are not regular: steps range from {gaps.min()} to "
                f"{gaps.max()}. Resample first (for example df.resample('h').mean()), or drop the "
                "dates with df.reset_index(drop=True) (on the command line: --no-time)."
            )
        labels = [index[-1] + spacing]
        for _ in range(steps - 1):
            labels.append(labels[-1] + spacing)
        return type(index)(labels, name=name)
    if pd.api.types.is_numeric_dtype(index.dtype) and len(index) >= 2:
        gaps = np.diff(index.to_numpy())
        if gaps[0] != 0 and np.allclose(gaps, gaps[0], rtol=1e-6, atol=0.0):
            step = gaps[0] if index.dtype.kind in "iu" else (index[-1] - index[0]) / len(gaps)
            return pd.Index(index[-1] + step * np.arange(1, steps + 1), name=name)
    raise InputError(
        f"the context's index ({index.dtype}, from {index[0]!r} to {index[-1]!r}) cannot be "
        "continued: it should hold dates or numbers in regular steps. Convert it with "
        "pd.to_datetime, or drop it with df.reset_index(drop=True) (command line: --no-time)."
    )


def check_values(values: Float[ndarray, "T_C S n"]) -> None:
    """Raise unless every series is long enough, finite and moving."""
    T_C, S, _ = values.shape
    if T_C < 2:
        raise InputError(f"context must have at least 2 steps (time comes first), found {T_C}.")
    finite = np.isfinite(values)
    if not finite.all():
        if not finite.any():
            raise InputError(
                "context holds no finite value at all: every entry is NaN or infinite."
            )
        t, s, i = (int(v) for v in np.argwhere(~finite)[0])
        series = f", series {s}" if S > 1 else ""
        raise InputError(
            f"context must be finite, found {values[t, s, i]} at step {t}{series}, channel {i} "
            f"({int((~finite).sum())} of {values.size} entries are not finite). Fill or cut them."
        )
    spread = np.ptp(values, axis=0)
    # float32 data carries about 1e-7 of relative rounding, which is not motion
    still = spread <= 4 * np.finfo(np.float32).eps * np.abs(values).max(axis=0)
    if still.any():
        s, i = (int(v) for v in np.argwhere(still)[0])
        series = f"series {s}, " if S > 1 else ""
        raise InputError(
            f"context must vary, but {series}channel {i} is constant at {values[0, s, i]:g}. "
            "Drop that channel."
        )


def check_initial(initial_x: Any, *, S: int, n: int) -> Float[ndarray, "S n"]:
    """``initial_x`` as ``(S, n)``."""
    x = to_numpy(getattr(initial_x, "values", initial_x)).astype(np.float64)
    if x.shape == (n,):
        x = np.broadcast_to(x, (S, n)).copy()
    if x.shape != (S, n):
        wanted = f"({n},)" if S == 1 else f"({n},) or ({S}, {n})"
        raise InputError(
            f"initial_x must have shape {wanted}, one value per channel of the context, found "
            f"{x.shape}."
        )
    if not np.isfinite(x).all():
        raise InputError("initial_x must be finite, found NaN or infinity.")
    return x


def samples_array(samples: Any) -> Float[ndarray, "K T *rest"]:
    """An ensemble of any kind that :func:`stack` makes, as an array with the samples first.

    ``samples`` of K forecasts over T steps become ``(K, T, ...)`` in float64, the other axes those
    of one forecast: none, channels, or series and channels.

    Examples
    --------
    >>> import pandas as pd
    >>> samples_array(pd.DataFrame({0: [0.0, 1.0, 2.0], 1: [3.0, 4.0, 5.0]}))
    array([[0., 1., 2.],
           [3., 4., 5.]])
    """
    if hasattr(samples, "detach"):
        samples = samples.detach().cpu().numpy()
    if type(samples).__module__.split(".")[0] == "pandas":
        if samples.columns.nlevels == 1:
            samples = samples.to_numpy().T
        else:
            samples = [samples[i].to_numpy() for i in samples.columns.unique(level=0)]
    return np.asarray(samples, dtype=np.float64)
