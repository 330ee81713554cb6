"""Errors that say what was expected, what was found and what to do."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

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


def check_value(name: str, value: object, *, hint: Any, bounds: tuple[float | None, ...]) -> None:
    """Raise unless ``value`` has the type ``hint``, is one of its choices and within ``bounds``."""
    choices, fits = choices_of(hint), _fits(value, hint)
    if choices and not (fits and value is None):
        one_of(name, value, choices)
    several = typing.get_origin(hint) is tuple
    numbers: Any = value if several else (value,)
    if fits and all(_inside(number, *bounds) for number in numbers):
        return
    span = _range(*bounds)
    wanted = " ".join(filter(None, (_words(hint), "each" if several and span else "", span)))
    kind = "" if fits else f" ({type(value).__name__})"
    raise InputError(f"{name} must be {wanted}, found {value!r}{kind}.")


def choices_of(hint: Any) -> tuple[str, ...]:
    """The names that a ``Literal`` allows, alone or beside None; empty for other types."""
    for part in (hint, *get_args(hint)):
        if typing.get_origin(part) is Literal:
            return get_args(part)
    return ()


def _fits(value: object, hint: Any) -> bool:
    """Whether a value has a type; an int is a float, but a bool is no int."""
    if hint in (int, float):
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        return whole or (hint is float and isinstance(value, float | np.floating))
    if hint in (bool, str, Path) or dataclasses.is_dataclass(hint):
        return isinstance(value, hint)
    inner = get_args(hint)
    if typing.get_origin(hint) is Literal:
        return value in inner
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, tuple):
            return False
        each = inner[:1] * len(value) if inner[-1] is ... else inner
        return len(each) == len(value) and all(map(_fits, value, each))
    if typing.get_origin(hint) is Sequence:
        several = isinstance(value, list | tuple | range | np.ndarray)
        return several and all(_fits(one, inner[0]) for one in value)
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return any(value is None if part is type(None) else _fits(value, part) for part in inner)
    return True


def _inside(
    value: Any,
    at_least: float | None,
    above: float | None,
    at_most: float | None,
    below: float | None,
) -> bool:
    if not isinstance(value, int | float | np.number) or isinstance(value, bool):
        return True
    return bool(
        not np.isnan(value)
        and (at_least is None or value >= at_least)
        and (above is None or value > above)
        and (at_most is None or value <= at_most)
        and (below is None or value < below)
    )


def _range(
    at_least: float | None, above: float | None, at_most: float | None, below: float | None
) -> str:
    """The bounds in words: ``"of at least 1"``, ``"above 0"``, ``"in [0, 1)"``."""
    low, high = (at_least if above is None else above), (at_most if below is None else below)
    if low is not None and high is not None:
        return f"in {'[' if above is None else '('}{low:g}, {high:g}{']' if below is None else ')'}"
    if low is not None:
        return f"of at least {low:g}" if above is None else f"above {low:g}"
    return "" if high is None else (f"of at most {high:g}" if below is None else f"below {high:g}")


def _words(hint: Any) -> str:
    """A type in words."""
    words = {int: "a whole number", float: "a number", bool: "True or False", str: "a text"}
    if hint in words:
        return words[hint]
    inner = get_args(hint)
    if typing.get_origin(hint) is tuple:
        each = words.get(inner[0], "a value").removeprefix("a ") + "s"
        return f"a tuple of {each}" if inner[-1] is ... else f"a tuple of {len(inner)} {each}"
    if typing.get_origin(hint) is Sequence:
        return f"a list of {words.get(inner[0], 'a value').removeprefix('a ')}s"
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return " or ".join("None" if part is type(None) else _words(part) for part in inner)
    return f"a {hint.__name__}" if isinstance(hint, type) else str(hint)
