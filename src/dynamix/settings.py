"""Every setting of the library, declared once: default, help and bounds on one line.

The check when a settings object is made, the command line's flags and ``--help``, and the reference
come from this declaration.
"""

from __future__ import annotations

import dataclasses
import inspect
import textwrap
import types
import typing
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache, wraps
from typing import Any, Literal, TypeVar, dataclass_transform, get_args

from .errors import InputError, check_value, one_of

ExpertKind = Literal["alrnn", "clipped_shallow_plrnn"]
Embedding = Literal["pos", "delay", "delay_random", "zero", "pecuzal", "auto"]
Engine = Literal["auto", "compiled", "torch"]
Errors = Literal["raise", "skip"]
Denoise = Literal["off", "auto"]
Odds = Literal["calibrated", "gate"]
