"""Flags made from settings classes: type, choices, default and help come from the declaration."""

from __future__ import annotations

import argparse
import json
import tomllib
import typing
from pathlib import Path
from typing import Any

from ..errors import InputError, choices_of, one_of
from ..settings import BUNDLED_MODEL, declared, from_dict


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


def add_model(parser: argparse.ArgumentParser, more: str = "") -> None:
    """The flag ``--model``."""
    parser.add_argument(
        "--model",
        default=BUNDLED_MODEL,
        help=f"bundled name, file, folder, or hub name owner/repo:checkpoint{more} "
        f"(default: {BUNDLED_MODEL})",
    )


def add_settings(parser: argparse.ArgumentParser, kind: Any, title: str = "") -> None:
    """A flag for every setting of a class: ``latent_dims`` becomes ``--latent-dims``."""
    group = parser.add_argument_group(title or "settings")
    for name, field in declared(kind).items():
        one = _without_none(field.type)
        given: dict[str, Any] = {"metavar": getattr(one, "__name__", "value").upper()}
        if one is bool:
            given = {"action": argparse.BooleanOptionalAction}
        elif choices := choices_of(field.type):
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
            text = Path(path).read_text(encoding="utf-8")
            found = json.loads(text) if path.endswith(".json") else tomllib.loads(text)
        except (OSError, ValueError) as error:
            raise InputError(f"the settings in {path!r} cannot be read: {error}.") from error
    for name in found:
        one_of("section of settings", name, sections)
    return {name: dict(found.get(name, {})) for name in sections}


def check_folders(*paths: str | None) -> None:
    """Raise where an output could not be written; found before the work and not after it."""
    for path in paths:
        if path is not None and not Path(path).absolute().parent.is_dir():
            raise InputError(f"cannot write {path!r}: its folder does not exist. Create it first.")


def split(text: str | None) -> list[str]:
    """The parts of a list that is separated by commas."""
    return [part.strip() for part in text.split(",") if part.strip()] if text else []


def _without_none(hint: Any) -> Any:
    parts = [part for part in typing.get_args(hint) if part is not type(None)]
    return parts[0] if type(None) in typing.get_args(hint) else hint


def _shown(default: Any) -> str:
    return " ".join(map(str, default)) if isinstance(default, tuple) else str(default)
