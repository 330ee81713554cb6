"""Flags made from settings classes: type, choices, default and help come from the declaration."""

from __future__ import annotations

import argparse
import os
import tempfile
import tomllib
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..errors import InputError, choices_of, needs, one_of
from ..io.files import read_json
from ..settings import AUTO, BUNDLED_MODEL, declared, from_dict


def command(commands: Any, name: str, run: Any, help: str) -> argparse.ArgumentParser:
    """Add a command to the parser; ``run`` gets the parsed options."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=help,
        description=help[0].upper() + help[1:] + ".",
        argument_default=None,
    )
    parser.set_defaults(run=run)
    return parser


def add_model(parser: argparse.ArgumentParser, default: str = BUNDLED_MODEL) -> None:
    """The flag ``--model``."""
    auto = ", or auto: what suits the context's own end" if default == AUTO else ""
    parser.add_argument(
        "--model",
        default=default,
        help=f"bundled name, file, folder, or hub name owner/repo:checkpoint{auto} "
        f"(default: {default})",
    )


def add_settings(parser: argparse.ArgumentParser, kind: Any, title: str = "") -> None:
    """A flag for every setting of a class: ``latent_dims`` becomes ``--latent-dims``."""
    group = parser.add_argument_group(title or "settings")
    for name, field in declared(kind).items():
        one = _without_none(field.type)
        given: dict[str, Any] = {"metavar": getattr(one, "__name__", "value").upper()}
        if one is bool:
            given = {"action": argparse.BooleanOptionalAction}
        elif (choices := choices_of(field.type)) and int in typing.get_args(field.type):
            given = {"type": _name_or_periods, "metavar": "VALUE"}
        elif choices:
            given = {"choices": choices}
        elif typing.get_origin(one) is tuple:
            given = {"nargs": "*", "type": typing.get_args(one)[0], "metavar": "VALUE"}
        elif isinstance(one, type):
            given["type"] = one
        default = "" if field.default in (None, (), "") else f" (default: {_shown(field.default)})"
        group.add_argument(
            f"--{name.replace('_', '-')}",
            dest=f"{kind.__name__}.{name}",
            default=argparse.SUPPRESS,  # so that a file of settings keeps what no flag changes
            help=field.metadata["help"].replace("%", "%%") + default,
            **given,
        )


def given_settings(options: argparse.Namespace, kind: type[Any], **file: Any) -> Any:
    """The settings object that the flags describe; flags override the values of a ``file``."""
    prefix = f"{kind.__name__}."
    flags = {k.removeprefix(prefix): v for k, v in vars(options).items() if k.startswith(prefix)}
    return from_dict(kind, file | flags, source=getattr(options, "config", None) or "command line")


def read_settings(path: str | None, sections: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """The sections of a file of settings, TOML or JSON; empty without a file."""
    found: dict[str, Any] = {}
    if path is not None:
        try:
            text = Path(path).read_text(encoding="utf-8-sig")
            json = path.lower().endswith(".json")
            found = read_json(text, source=repr(path)) if json else tomllib.loads(text)
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"the settings in {path!r} cannot be read: {error}.") from error
        if not found or not all(isinstance(part, dict) for part in found.values()):
            names = ", ".join(f"[{name}]" for name in sections)
            raise InputError(f"the settings in {path!r} should be in the sections {names}.")
    for name in found:
        one_of("section of settings", name, sections)
    return {name: dict(found.get(name, {})) for name in sections}


def check_outputs(
    *outputs: str | Path | None, plot: str | None = None, inputs: Iterable[str | Path] = ()
) -> None:
    """Raise before the work where a file could not be written, or would replace another one.

    None is no output. ``inputs`` are files that no output may replace.
    """
    if plot is not None:
        with needs("plot"):
            from matplotlib.backend_bases import FigureCanvasBase

        known = FigureCanvasBase.get_supported_filetypes()
        if Path(plot).suffix.lstrip(".").lower() not in known:
            raise InputError(
                f"cannot draw to {plot!r}: expected a name ending in one of {', '.join(known)}."
            )
    taken = [path for path in map(Path, inputs) if path.exists()]
    for path in (Path(output) for output in (*outputs, plot) if output is not None):
        if path.is_dir():
            raise InputError(f"cannot write {str(path)!r}: it is a folder. Name a file in it.")
        if path.exists() and not path.is_file():
            continue  # a device or a pipe
        folder = path.absolute().parent
        if not folder.is_dir():
            raise InputError(
                f"cannot write {str(path)!r}: its folder does not exist. Create it first."
            )
        if any(path.resolve() == other.resolve() for other in taken):
            raise InputError(f"cannot write {str(path)!r}: it is in use. Name another output.")
        taken.append(path)
        try:
            if path.exists() and not os.access(path, os.W_OK):
                raise PermissionError("the file is read-only")
            with tempfile.TemporaryFile(dir=folder) as file:  # its folder may be full
                file.write(bytes(4096))
        except OSError as error:
            raise InputError(
                f"cannot write {str(path)!r}: {error.strerror or error}. Name another output."
            ) from error


def split(text: str | None) -> list[str]:
    """The parts of a list that is separated by commas."""
    return [part.strip() for part in text.split(",") if part.strip()] if text else []


def _name_or_periods(text: str) -> Any:
    """A name as it is, and ``24,168`` as numbers."""
    try:
        found = tuple(map(int, split(text)))
    except ValueError:
        return text
    return found[0] if len(found) == 1 else found


def _without_none(hint: Any) -> Any:
    parts = [part for part in typing.get_args(hint) if part is not type(None)]
    return parts[0] if type(None) in typing.get_args(hint) else hint


def _shown(default: Any) -> str:
    return " ".join(map(str, default)) if isinstance(default, tuple) else str(default)
