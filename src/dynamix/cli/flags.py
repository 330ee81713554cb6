"""Flags made from settings classes: type, choices, default, bounds and help are declared there."""

from __future__ import annotations

import argparse
import json
import os
import sys
import typing
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from .. import __version__
from ..errors import InputError, choices_of, limits_of, needs, one_of
from ..settings import AUTO, BUNDLED_MODEL, declared, from_dict

_SHORT = {"horizon": "-n", "output": "-o"}
_KINDS: dict[Any, str] = {int: "a whole number", float: "a number"}


class Parser(argparse.ArgumentParser):
    """A parser that raises InputError, and adds the flags of a command when it is first used.

    The flags of some commands are declared in rooms that take seconds to import.
    """

    fill: Callable[[Parser], None] | None = None
    sections: Sequence[str] = ()  # that a file of settings may have
    surplus: str = ""  # what to do with one word too many

    def filled(self) -> Parser:
        """The parser with all its flags."""
        fill, self.fill = self.fill, None
        if fill is not None:
            fill(self)
        return self

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, with all flags."""
        self.filled()
        return super().parse_known_args(args, namespace)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse; a word too many is an error of its command."""
        options, surplus = self.parse_known_args(args, namespace)
        if surplus:
            asked = self.commands.get(getattr(options, "command", ""), self)
            asked.error(f"one word too many: {' '.join(surplus)!r}. {asked.surplus}".strip())
        return options

    def format_help(self) -> str:
        """The help, with all flags."""
        self.filled()
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        """Raise in one line; a usage of twenty lines would hide what is wrong."""
        end = "" if message.endswith((".", "?")) else "."
        raise InputError(f"{message}{end} For help: {self.prog} --help")

    @property
    def flags(self) -> dict[str, argparse.Action]:
        """The flags by all their names."""
        return self.filled()._option_string_actions

    @property
    def commands(self) -> dict[str, Parser]:
        """The parsers of the commands, or of a command's parts."""
        found = [a for a in self._actions if isinstance(a, argparse._SubParsersAction)]
        return dict(found[0].choices) if found else {}


def command(
    commands: Any, name: str, run: Any, help: str, *, fill: Callable[[Parser], None] | None = None
) -> Parser:
    """Add a command to the parser; ``run`` gets the parsed options, ``fill`` adds the flags."""
    parser: Parser = commands.add_parser(
        name,
        help=help,
        description=help[0].upper() + help[1:] + ".",
        argument_default=None,
        allow_abbrev=False,
    )
    add_common(parser)
    parser.fill = fill
    parser.set_defaults(run=run)
    return parser


def add_common(parser: argparse.ArgumentParser) -> None:
    """The flags that every command has; the last of several decides."""
    quiet: dict[str, Any] = {"dest": "voice", "action": "store_const", "default": argparse.SUPPRESS}
    parser.add_argument(
        "-q", "--quiet", const="quiet", help="warnings and errors only, no progress bars", **quiet
    )
    parser.add_argument(
        "-v", "--verbose", const="verbose", help="more messages, with times and origins", **quiet
    )
    parser.add_argument("-V", "--version", action="version", version=f"dynamix {__version__}")


def add_model(parser: argparse.ArgumentParser, default: str = BUNDLED_MODEL) -> None:
    """The flag ``--model``."""
    auto = "auto (what suits the context's own end), " if default == AUTO else ""
    parser.add_argument(
        "--model",
        default=default,
        help=f"{auto}name of a bundled model or rival (dynamix models lists them), file, folder, "
        f"or hub name owner/repo:checkpoint (default: {default})",
    )


def add_set(parser: argparse.ArgumentParser, help: str) -> None:
    """The flag ``--set``."""
    parser.add_argument("--set", nargs="+", action="extend", metavar="NAME=VALUE", help=help)


def add_json(parser: argparse.ArgumentParser, what: str) -> None:
    """The flag ``--json``."""
    parser.add_argument("--json", action="store_true", help=f"{what} as JSON on standard output")


def add_workers(parser: Any, what: str = "processes", default: int | None = None) -> None:
    """The flags ``--workers`` and ``--dask``; a default of None tells whether one was given."""
    help = f"{what} (default: {default or 1})"
    parser.add_argument("--workers", type=Typed(int), default=default, help=help)
    parser.add_argument("--dask", metavar="ADDRESS", help="Dask scheduler, tcp://host:8786")


def add_settings_file(parser: Parser, *names: str, sections: Sequence[str] = ()) -> None:
    """The flag ``--settings``; :func:`dynamix.cli.words.with_settings` reads the file."""
    parser.sections = sections
    parser.add_argument(
        "--settings",
        *names,
        metavar="FILE",
        help="TOML or JSON file with options by their names, such as horizon = 24; flags win",
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
            given = {"choices": choices, "type": Typed(str, choices)}
        elif typing.get_origin(one) is tuple:
            inner = typing.get_args(one)[0]
            given = {"nargs": "*", "type": Typed(inner), "metavar": "VALUE"}
        elif isinstance(one, type):
            given["type"] = Typed(one)
        facts = [] if field.default in (None, (), "") else [f"default: {_shown(field.default)}"]
        facts += filter(None, [limits_of(field.metadata["bounds"]).removeprefix("of ")])
        group.add_argument(
            *([_SHORT[name]] if name in _SHORT else []),
            f"--{name.replace('_', '-')}",
            dest=f"{kind.__name__}.{name}",
            default=argparse.SUPPRESS,  # so that an object knows what was given
            help=field.metadata["help"].replace("%", "%%")
            + (f" ({'; '.join(facts)})" * any(facts)),
            **given,
        )


class Typed:
    """What argparse calls to convert a word; its messages are those of the library."""

    def __init__(self, kind: Any, choices: Sequence[str] = (), *, empty: bool = True) -> None:
        self.kind, self.choices, self.empty = kind, choices, empty

    def __call__(self, text: str) -> Any:
        """Convert, or say what was expected."""
        try:
            if self.choices:
                one_of("value", text, self.choices)
            if not (self.empty or text):
                raise InputError("must be the name of a file or folder, found ''.")
            return self.kind(text)
        except InputError as error:
            raise argparse.ArgumentTypeError(str(error).rstrip(".")) from error
        except ValueError as error:
            wanted = _KINDS.get(self.kind, f"a {self.kind}")
            raise argparse.ArgumentTypeError(f"must be {wanted}, found {text!r}") from error


OUTPUT = Typed(str, empty=False)


def given_settings(options: argparse.Namespace, kind: type[Any]) -> Any:
    """The settings object that the flags describe."""
    prefix = f"{kind.__name__}."
    flags = {k.removeprefix(prefix): v for k, v in vars(options).items() if k.startswith(prefix)}
    return from_dict(kind, flags, source="command line")


def chosen(options: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    """The name that ``--model`` gives, one that is known, and the settings of ``--set``."""
    from ..baselines import baseline

    name, settings = options.model, dict(map(_setting, options.set or ()))
    try:
        baseline(name, **settings)
    except InputError:
        if os.sep in name or not Path(name).is_dir():
            raise
        name = f".{os.sep}{name}"  # the registry takes a word without a separator for a name
    return name, settings


def _setting(text: str) -> tuple[str, Any]:
    """``"match_length=30"`` as name and value; what is no JSON is text."""
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--set takes NAME=VALUE, such as embedding=delay; found {text!r}.")
    try:
        return name.replace("-", "_"), json.loads(value)
    except ValueError:
        return name.replace("-", "_"), value


def show_json(found: Any) -> None:
    """Write a JSON document to standard output; numbers that are not finite become null."""
    from ..io.files import plain  # help and misspelt words do not wait for pandas

    sys.stdout.write(
        json.dumps(plain(found, other=_rows), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    )


def _rows(found: Any) -> Any:
    """A table as a list of its rows; of another object its text."""
    from ..io.tables import records

    return records(found) if hasattr(found, "columns") else str(found)


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
    from ..io.files import check_output  # a misspelt flag does not wait for pandas

    taken = [path for path in map(Path, inputs) if path.exists()]
    for path in (Path(output) for output in (*outputs, plot) if output is not None):
        check_output(path)
        if path.exists() and not path.is_file():
            continue  # a device or a pipe
        if any(path.resolve() == other.resolve() for other in taken):
            raise InputError(f"cannot write {str(path)!r}: it is in use. Name another output.")
        taken.append(path)


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
