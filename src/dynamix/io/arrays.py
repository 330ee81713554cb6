"""Arrays, frames and tensors of the user, as the series ``(T, S, N)`` of the library."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy import ndarray

from ..errors import InputError
from .shapes import Bool, Float
from .time_axis import continue_index
from .time_columns import take_time

logger = logging.getLogger(__name__)

_KEPT = (np.float16, np.float32, np.float64)  # dtypes that a forecast keeps


def unpack(
    context: Any, *, check: bool = False, steps: int = 1
) -> tuple[Float[ndarray, "T_C S n"], Callable[[ndarray], Any]]:
    """The context as ``(T_C, S, n)`` in float64, and a function that restores its kind.

    Parameters
    ----------
    context
        An array, tensor or list of shape ``(T_C,)``, ``(T_C, n)`` or ``(T_C, S, n)``; or a pandas
        Series or DataFrame with a regular index. Tables of xarray, polars and Arrow become pandas'.
        Masked entries are NaN. Rows that run backwards in time are turned round.
    check
        Apply :func:`check_values`.
    steps
        The index is continued by so many steps at once, so that an error comes before the work.

    Returns
    -------
    The values, and a function that turns a forecast ``(T, S, n)`` into an object of the context's
    kind, with its dtype, device, columns and continued index.

    Raises
    ------
    InputError
        If the context is empty, is not an array of real numbers, has another shape or an index
        that cannot be continued, or fails the check.

    Examples
    --------
    >>> values, restore = unpack(pd.Series([1.0, 2.0, 4.0], index=[0.0, 0.5, 1.0]))
    >>> values.shape, restore(values[:1]).index.tolist()
    ((3, 1, 1), [1.5])
    """
    context = context if isinstance(context, np.ndarray) else to_pandas(context)
    if isinstance(context, pd.DataFrame | pd.Series):
        context = _forwards(context)
        values, restore = _unpack_pandas(context, steps)
        frame = context.to_frame() if isinstance(context, pd.Series) else context
        names = list(frame.columns)
        own = np.result_type(*map(plain_dtype, frame.dtypes))
    else:
        array = to_numpy(context)
        dtype = array.dtype if array.dtype in _KEPT else np.dtype(np.float64)

        def restore(out: ndarray) -> Any:
            with np.errstate(over="ignore"):  # beyond the range of a short float: infinite
                out = out.reshape(len(out), *array.shape[1:]).astype(dtype, copy=False)
            return out if array is context else like(context, out)

        values, own = _three_axes(array, "context"), array.dtype
        names = None
    if check:
        check_values(values, dtype=own, names=names)
    return values, restore


def as_series(
    x: Any, *, name: str = "context", least: int = 1, finite: bool = True
) -> Float[ndarray, "T S N"]:
    """Any array, frame or tensor as ``(T, S, N)`` in float64.

    ``x`` has shape ``(T,)``, ``(T, N)`` or ``(T, S, N)``. An InputError, which calls it ``name``,
    says if it does not hold real numbers, has fewer than ``least`` steps or is not ``finite``.

    Examples
    --------
    >>> as_series([1, 2, 3]).shape
    (3, 1, 1)
    >>> as_series([1.0, float("nan")], name="truth")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: truth must be finite, found nan at step 1, channel 0 ...
    """
    values = _three_axes(to_numpy(x, name), name)
    if finite or least > 1:
        check_values(values, name=name, least=least, finite=finite, moving=False)
    return values


def check_values(
    values: Float[ndarray, "T S n"],
    *,
    name: str = "context",
    least: int = 2,
    finite: bool = True,
    moving: bool = True,
    dtype: Any = np.float64,
    names: Sequence[Any] | None = None,
) -> None:
    """Raise unless every series has ``least`` steps, is finite, and varies in every channel.

    ``dtype`` is the one that the values had before they became float64. ``names`` are those of the
    channels.
    """
    T, S, _ = values.shape
    if least > T:
        raise InputError(f"{name} must have at least {least} steps (time comes first), found {T}.")
    good = np.isfinite(values)
    if finite and not good.all():
        if not good.any():
            raise InputError(f"{name} has no finite value: every entry is NaN or infinite.")
        t, s, i = (int(v) for v in np.argwhere(~good)[0])
        series = f", series {s}" if S > 1 else ""
        raise InputError(
            f"{name} must be finite, found {values[t, s, i]} at step {t}{series}, "
            f"{_channel(i, names)} ({int((~good).sum())} of {values.size} entries are not finite). "
            "Fill or cut them."
        )
    if not moving:
        return
    constant = still(values, dtype)
    if constant.any():
        s, i = (int(v) for v in np.argwhere(constant)[0])
        series = f"series {s}, " if S > 1 else ""
        raise InputError(
            f"{name} must vary, but {series}{_channel(i, names)} is constant at "
            f"{values[0, s, i]:g}. Drop that channel."
        )


def _channel(i: int, names: Sequence[Any] | None) -> str:
    return f"channel {i}" if names is None or names[i] == i else f"column {names[i]!r}"


def usable(values: Float[ndarray, "T S n"]) -> Bool[ndarray, " S"]:
    """Which series can be forecast; the log names the others, and if none can, it is an error."""
    finite = np.isfinite(values).all(axis=(0, 2))
    good = finite & ~still(np.where(finite[:, None], values, 0.0)).any(axis=1)
    if not good.any():
        check_values(values)
    elif not good.all():
        logger.warning("series %s cannot be forecast and stay NaN", np.flatnonzero(~good).tolist())
    return good


def still(values: Float[ndarray, "T ..."], dtype: Any = np.float64) -> Any:
    """Which channels vary by no more than the rounding of their ``dtype``; time comes first."""
    channels = np.ascontiguousarray(np.moveaxis(values, 0, -1))  # ten times faster, as in unit()
    low, high = channels.min(axis=-1), channels.max(axis=-1)
    rounding = 2 * np.finfo(dtype if np.dtype(dtype).kind == "f" else np.float64).eps
    # halves, because the range of values near the largest number would overflow
    return high / 2 - low / 2 <= rounding * np.maximum(np.abs(low), np.abs(high))


def check_initial(initial_x: Any, *, S: int, n: int) -> Float[ndarray, "S n"]:
    """``initial_x`` as ``(S, n)``, finite."""
    x = to_numpy(initial_x, "initial_x").astype(np.float64)
    if x.shape == (n,):
        x = np.broadcast_to(x, (S, n)).copy()
    if x.shape != (S, n):
        wanted = f"({n},)" if S == 1 else f"({n},) or ({S}, {n})"
        raise InputError(
            f"initial_x must have shape {wanted}, one value a channel, found {x.shape}."
        )
    if not np.isfinite(x).all():
        raise InputError("initial_x must be finite, found NaN or infinity.")
    return x


def to_pandas(x: Any) -> Any:
    """Tables of xarray, polars and Arrow as pandas tables with their time as the index."""
    library = type(x).__module__.split(".")[0]  # without importing any
    if library == "xarray":
        x = _time_first(x)
        if len(x.dims) > 2 or (hasattr(x, "data_vars") and len(x.dims) != 1):
            raise InputError(
                f"the context has the dimensions {tuple(x.dims)}, expected time, or time and "
                "channel. Select one series, or give x.to_numpy()."
            )
        return x.to_dataframe() if hasattr(x, "data_vars") else x.to_pandas()
    if library == "pyarrow" and hasattr(x, "to_pydict"):
        names = x.schema.names
        if len(set(names)) < len(names):
            raise InputError(f"the context has columns of the same name: {names}. Rename them.")
        table = pd.DataFrame(x.to_pydict())
    elif library == "polars":
        frame = x.collect() if hasattr(x, "collect") else x
        table = pd.DataFrame(
            frame.to_dict(as_series=False) if hasattr(frame, "columns") else {x.name: x.to_list()}
        )
    else:
        return x
    rest, index, _ = take_time(table)
    return rest if index is None else rest.set_axis(index, axis=0)


def _time_first(x: Any) -> Any:
    """An xarray object of two dimensions with that of time in front, if a name or dates tell it."""
    dated = [d for d in x.dims if d in x.coords and x.coords[d].dtype.kind == "M"]
    clocks = dated or [d for d in x.dims if str(d).lower() in ("time", "t", "date", "datetime")]
    return x.transpose(clocks[0], ...) if len(clocks) == 1 and len(x.dims) == 2 else x


def _forwards(context: Any) -> Any:
    """Rows in the order of time, where all run backwards."""
    if len(context) < 2 or context.index.is_monotonic_increasing:
        return context
    if not context.index.is_monotonic_decreasing or context.index.has_duplicates:
        return context
    logger.warning("the newest row came first; the rows were sorted by time")
    return context.iloc[::-1]


def to_numpy(x: Any, name: str = "context") -> ndarray:
    """Any array, frame or tensor as a NumPy array of real numbers; masked entries are NaN."""
    x = x if isinstance(x, np.ndarray) else to_pandas(x)
    if not isinstance(x, np.ndarray) and _is_tensor(x):
        try:
            x = (x if str(x.layout) == "torch.strided" else x.to_dense()).detach().cpu()
            # NumPy has no bfloat16
            x = (x.float() if x.dtype.itemsize < 4 and x.is_floating_point() else x).numpy(
                force=True
            )
        except (AttributeError, NotImplementedError, RuntimeError, TypeError) as error:
            raise InputError(f"{name} must be a tensor with numbers in it: {error}.") from error
    if isinstance(x, pd.DataFrame | pd.Series):
        return columns_of(x.to_frame() if isinstance(x, pd.Series) else x, name).reshape(x.shape)
    try:
        array = np.asarray(_unmasked(x))
    except (ValueError, TypeError, RuntimeError) as error:  # those of a foreign array are its own
        raise InputError(f"{name} must be a rectangular array of numbers: {error}.") from error
    if array.dtype.kind not in "fiu":
        raise InputError(
            f"{name} must hold real numbers, found dtype {array.dtype}. Convert it to float first."
        )
    return array


def _unmasked(x: Any) -> Any:
    """Numbers with NaN for what is masked, also within a list."""
    if isinstance(x, list | tuple):
        parts = set(map(type, x))  # a list of numbers alone is quick
        nested = any(issubclass(part, list | tuple | np.ma.MaskedArray) for part in parts)
        return list(map(_unmasked, x)) if nested else x
    if isinstance(x, np.ma.MaskedArray) and x.dtype.kind in "fiu":
        return np.ma.filled(x.astype(x.dtype if x.dtype.kind == "f" else np.float64), np.nan)
    return x


def like(context: Any, out: ndarray) -> Any:
    """``out`` as a tensor on the context's device where the context is one."""
    if not _is_tensor(context):
        return out
    import torch

    dtype = context.dtype if context.is_floating_point() else None
    return torch.from_numpy(np.ascontiguousarray(out)).to(device=context.device, dtype=dtype)


def samples_array(samples: Any) -> Float[ndarray, "K T *rest"]:
    """An ensemble of any kind that :func:`dynamix.forecast` returns, samples first, in float64."""
    if _is_tensor(samples):
        samples = to_numpy(samples, "samples")
    if isinstance(samples, pd.DataFrame):
        single, names = samples.columns.nlevels == 1, samples.columns.unique(level=0)
        samples = samples.to_numpy().T if single else [samples[i].to_numpy() for i in names]
    return np.asarray(samples, dtype=np.float64)


def _is_tensor(x: Any) -> bool:
    return type(x).__module__.split(".")[0] == "torch"  # without importing torch


def _three_axes(array: ndarray, name: str) -> Float[ndarray, "T S N"]:
    if array.ndim not in (1, 2, 3):
        raise InputError(
            f"{name} must have shape (time,), (time, channels) or (time, series, channels), found "
            f"{array.ndim} dimensions: {array.shape}."
        )
    if array.size == 0:
        raise InputError(f"{name} is empty: its shape is {array.shape}. Give at least 2 steps.")
    if name == "context" and array.ndim == 2 and array.shape[1] >= max(50, 5 * len(array)):
        raise InputError(
            f"context must have shape (time, channels), found {array.shape}: is time the second "
            "axis? Give context.T; or, if these are series of one channel, context[:, :, None]."
        )
    shape = {1: (-1, 1, 1), 2: (len(array), 1, -1), 3: array.shape}[array.ndim]
    with np.errstate(over="ignore"):  # beyond the range of float64: infinite
        return array.reshape(shape).astype(np.float64)


def plain_dtype(dtype: Any) -> Any:
    """NumPy's dtype of the numbers in a column of pandas, Arrow's, sparse or with missing ones."""
    return getattr(dtype, "numpy_dtype", getattr(dtype, "subtype", dtype))


def columns_of(frame: pd.DataFrame, name: str) -> Float[ndarray, "T n"]:
    """The values of a frame, all of whose columns must be numbers."""
    if frame.empty:
        raise InputError(f"{name} is empty: its shape is {frame.shape}. Give at least 2 rows.")
    real = frame.dtypes.map(lambda dtype: getattr(dtype, "kind", "O") in "fiu")
    bad = [
        f"{name!r} ({dtype}, {frame.iloc[0, i]!r})"
        for i, (name, dtype) in enumerate(frame.dtypes.items())
        if not real.iloc[i]
    ]
    if bad:
        others = ",".join(str(column) for column in frame.columns[real.to_numpy()])
        hint = f" (command line: --columns {others})" if others else ""
        raise InputError(
            f"{name} must have numeric columns only, found {', '.join(bad)}. Drop or convert "
            f"them{hint}; dates belong in the index."
        )
    return frame.to_numpy(dtype=np.float64, na_value=np.nan)


def _unpack_pandas(
    context: Any, steps: int
) -> tuple[Float[ndarray, "T_C S n"], Callable[[ndarray], Any]]:
    frame = context.to_frame() if isinstance(context, pd.Series) else context
    values = columns_of(frame, "context")
    float32 = all(dtype == np.float32 for dtype in frame.dtypes)

    @cache  # an ensemble asks for each sample
    def later(steps: int) -> Any:
        return continue_index(frame.index, steps)

    def restore(out: ndarray) -> Any:
        values = out[:, 0].astype(np.float32 if float32 else np.float64)
        result = pd.DataFrame(values, index=later(len(out)), columns=frame.columns)
        is_series = isinstance(context, pd.Series)
        return result.iloc[:, 0].rename(context.name) if is_series else result

    if len(frame) > 1:
        later(steps)  # an index that cannot be continued is an error before the forecast
    return values[:, None, :], restore
