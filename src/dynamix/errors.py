"""Errors that say what was expected, what was found and what to do."""

from __future__ import annotations

import dataclasses
import difflib
import math
import operator
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

DISTRIBUTION = "dynamix-companion"  # what pip installs
_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    str: "a text",
    type(None): "None",
}
_NUMBERS: dict[Any, Any] = {
    int: (int, np.integer),
    float: (int, np.integer, float, np.floating),
}
_MANY = 15  # names that a message lists
_BOUNDS: dict[str, tuple[Any, str]] = {
    "at_least": (operator.ge, "of at least"),
    "above": (operator.gt, "above"),
    "at_most": (operator.le, "at most"),
    "below": (operator.lt, "below"),
}


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


class OutputError(InputError, OSError):
    """An output that cannot be written: which one, and why; an ``OSError``, too.

    >>> issubclass(OutputError, OSError)
    True
    """


def install(extra: str) -> str:
    """The sentence that says how to install an optional part of this package."""
    return f'Install it with: pip install "{DISTRIBUTION}[{extra}]"'


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Import what the optional part ``extra`` installs; a missing package becomes an InputError.

    >>> with needs("plot"):
    ...     import a_package_that_draws
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: this needs 'a_package_that_draws', which is not installed here. ...
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        if package == "dynamix":
            raise
        raise InputError(
            f"this needs {package!r}, which is not installed here. {install(extra)}"
        ) from error


@contextmanager
def about(what: str) -> Iterator[None]:
    """Begin the message of an InputError with what it is about; "" leaves it as it is.

    >>> with about("run 'a'"):
    ...     one_of("engine", "torhc", ["auto", "torch"])
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: run 'a': unknown engine 'torhc'. Known: auto, torch. Did you mean ...
    """
    try:
        yield
    except InputError as error:
        raise InputError(f"{what}: {error}" if what else str(error)) from error


def one_of(what: str, value: object, known: Iterable[str]) -> None:
    """Raise unless ``value`` is one of ``known``; the message lists them and suggests the nearest.

    Of a long list the message has the beginning.

    >>> one_of("engine", "torhc", ["auto", "torch"])
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: unknown engine 'torhc'. Known: auto, torch. Did you mean 'torch'?
    """
    choices = list(known)
    if isinstance(value, str) and value in choices:
        return
    many = len(choices) > _MANY
    listed = ", ".join([*choices[:_MANY], f"... ({len(choices)} in all)"] if many else choices)
    raise InputError(f"unknown {what} {value!r}. Known: {listed}.{suggestion(value, choices)}")


def suggestion(value: object, known: Iterable[str], *, cutoff: float = 0.5) -> str:
    """``" Did you mean ...?"`` with the name that is nearest to ``value``; empty if none is near.

    ``cutoff`` is the least similarity, from 0 to 1.

    >>> suggestion("--horizn", ["--help", "--horizon"])
    " Did you mean '--horizon'?"
    """
    by_lower = {choice.lower(): choice for choice in known}
    near = difflib.get_close_matches(str(value).lower(), list(by_lower), n=1, cutoff=cutoff)
    return f" Did you mean {by_lower[near[0]]!r}?" if near else ""


def whole_number(what: str, value: object, *, least: int = 1) -> int:
    """``value`` as an ``int``; raise unless it is an integer of at least ``least``.

    Whole floats are refused, since they usually come from a division by mistake.

    >>> whole_number("horizon", 100 / 2)
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: horizon must be an integer of at least 1, found 50.0 (float).
    """
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
        found = f"{int(value)}" if _fits(value, int) else f"{value!r} ({type(value).__name__})"  # type: ignore[call-overload]
        raise InputError(f"{what} must be an integer of at least {least}, found {found}.")
    return int(value)


def check_levels(levels: Sequence[float]) -> list[float]:
    """Quantile levels; raise unless there is one, and each lies between 0 and 1."""
    found = np.asarray(levels, dtype=np.float64)
    if found.ndim != 1 or not len(found) or not ((found > 0) & (found < 1)).all():
        raise InputError(f"quantile_levels must lie between 0 and 1, found {levels!r}.")
    return [float(level) for level in found]


def check_value(name: str, value: object, *, hint: Any, bounds: Mapping[str, float]) -> None:
    """Raise unless ``value`` has the type ``hint``, is one of its choices and within ``bounds``.

    The keys of ``bounds`` are ``at_least``, ``above``, ``at_most`` and ``below``.
    """
    choices, fits = choices_of(hint), _fits(value, hint)
    if choices and (isinstance(value, str) or not (fits or _has_numbers(hint))):
        one_of(name, value, choices)
    several = isinstance(value, tuple) and fits
    parts: Any = value if several else (value,)
    if fits and all(
        -math.inf < part < math.inf
        and all(_BOUNDS[key][0](part, bound) for key, bound in bounds.items())
        for part in parts
        if isinstance(part, int | float | np.number)
    ):
        return
    limits = limits_of(bounds)
    each = "each" if several and limits else ""
    kind = "" if fits else f" ({type(value).__name__})"
    wanted = " ".join(filter(None, (_words(hint), each, limits)))
    raise InputError(f"{name} must be {wanted}, found {value!r}{kind}.")


def limits_of(bounds: Mapping[str, float]) -> str:
    """Bounds in words.

    >>> limits_of({"at_least": 0, "below": 1})
    'of at least 0 and below 1'
    """
    return " and ".join(f"{_BOUNDS[key][1]} {bound:g}" for key, bound in bounds.items())


def choices_of(hint: Any) -> tuple[str, ...]:
    """The names that a ``Literal`` allows, alone or beside None; empty for other types."""
    for part in (hint, *get_args(hint)):
        if typing.get_origin(part) is Literal:
            return get_args(part)
    return ()


def _fits(value: object, hint: Any) -> bool:
    """Whether a value has a type; an int is a float, but a bool is no int."""
    kind, inner = typing.get_origin(hint), get_args(hint)
    if hint in _NUMBERS:
        return isinstance(value, _NUMBERS[hint]) and not isinstance(value, bool)
    if hint in (bool, str, Path, type(None)) or dataclasses.is_dataclass(hint):
        return isinstance(value, hint)
    if kind is Literal:
        return isinstance(value, str) and value in inner  # an array has no truth
    if kind in (tuple, Sequence):
        several: Any = tuple if kind is tuple else (list, tuple, range, np.ndarray)
        if not isinstance(value, several) or _length(hint) not in (None, len(value)):
            return False
        return all(_fits(part, inner[0]) for part in value)
    if kind in (types.UnionType, typing.Union):
        return any(_fits(value, part) for part in inner)
    return True


def _has_numbers(hint: Any) -> bool:
    """Whether a type allows numbers, or tuples of them, beside its choices."""
    return any(part in _NUMBERS or typing.get_origin(part) is tuple for part in get_args(hint))


def _length(hint: Any) -> int | None:
    """The number of entries that a tuple's type asks for; None for any number."""
    inner = get_args(hint)
    return None if typing.get_origin(hint) is Sequence or inner[-1] is ... else len(inner)


def _words(hint: Any) -> str:
    """A type in words."""
    kind, inner = typing.get_origin(hint), get_args(hint)
    if kind in (tuple, Sequence):
        count = f"{_length(hint)} " if _length(hint) else ""
        each = _words(inner[0]).removeprefix("a ")
        return f"a {'tuple' if kind is tuple else 'list'} of {count}{each}s"
    if kind is Literal:
        return " or ".join(map(repr, inner))
    if kind in (types.UnionType, typing.Union):
        return " or ".join(map(_words, inner))
    return _WORDS.get(hint) or f"a {getattr(hint, '__name__', hint)}"
