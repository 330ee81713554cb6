"""Errors that say what was expected, what was found and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import numpy as np


class InputError(ValueError):
    """Input that cannot be used: what was expected, what was found and what to do.

    A ``ValueError``, so that callers need not know this class.

    Examples
    --------
    >>> issubclass(InputError, ValueError)
    True
    >>> from dynamix import ModelConfig
    >>> try:
    ...     ModelConfig(relu_units=31)
    ... except ValueError as error:
    ...     print(error)
    relu_units (P = 31) must not exceed latent_dims (M = 30).
    """


def one_of(what: str, value: object, known: Iterable[str]) -> None:
    """Raise unless ``value`` is one of ``known``; the message lists them and suggests the nearest.

    Parameters
    ----------
    what
        What the value is, for the message.
    value
        Of any type; one that is no string is never known.
    known
        The names allowed.

    Raises
    ------
    InputError
        If it is none of them.

    Examples
    --------
    >>> one_of("engine", "torch", ["auto", "torch"])
    >>> one_of("engine", "torhc", ["auto", "torch"])
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: unknown engine 'torhc'. Known: auto, torch. Did you mean 'torch'?
    """
    choices = list(known)
    if isinstance(value, str) and value in choices:
        return
    by_lower = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(str(value).lower(), list(by_lower), n=1, cutoff=0.5)
    hint = f" Did you mean {by_lower[near[0]]!r}?" if near else ""
    raise InputError(f"unknown {what} {value!r}. Known: {', '.join(choices)}.{hint}")


def whole_number(what: str, value: object, *, least: int = 1) -> int:
    """``value`` as an ``int``; raise unless it is an integer of at least ``least``.

    Floats are refused even when they are whole, since they usually betray a division upstream.

    Parameters
    ----------
    what
        What the value is, for the message.
    value
        Python's or NumPy's integers are taken.
    least
        Smallest value allowed.

    Raises
    ------
    InputError
        If it is smaller or no integer; booleans are none.

    Examples
    --------
    >>> whole_number("horizon", np.int64(100))
    100
    >>> whole_number("horizon", 100 / 2)
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: horizon must be an integer of at least 1, found 50.0 (float).
    """
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise InputError(
            f"{what} must be an integer of at least {least}, found {value!r} "
            f"({type(value).__name__})."
        )
    if value < least:
        raise InputError(f"{what} must be an integer of at least {least}, found {int(value)}.")
    return int(value)
