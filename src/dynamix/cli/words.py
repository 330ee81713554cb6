"""The words that were typed, before argparse sees them: misspelt names, and files of settings."""

from __future__ import annotations

import argparse
import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError, check_value, one_of, suggestion
from .flags import Parser, Typed

_NO_SETTINGS = ("help", "version", "settings", "config")  # of a file
_NUMBER = re.compile(r"-\.?\d.*")


def prepared(top: Parser, words: Sequence[str]) -> list[str]:
    """The words with ``help`` as a flag and the options of a file; a misspelt name is an error."""
    words = list(words)
    if words[:1] == ["help"]:  # git's and cargo's way to ask
        words = [*words[1:], "--help"]
    parser, at = top, 0
    while parser.commands and (more := [w for w in words[at:] if not w.startswith("-")]):
        one_of("command" if parser is top else f"part of {parser.prog}", more[0], parser.commands)
        at += words[at:].index(more[0]) + 1
        parser = parser.commands[more[0]]
    if parser.commands and not any(word.startswith("-") for word in words[at:]):
        return [*words, "--help"]  # a group of commands alone
    _check_flags(parser, words[at:])
    return [*words[:at], *with_settings(parser, words[at:])]


def _check_flags(parser: Parser, words: Sequence[str]) -> None:
    """Raise for the first word that is no flag of the command, and looks like one."""
    for word in words:
        if word == "--":
            return
        name = word.partition("=")[0]
        if not word.startswith("-") or word == "-" or _NUMBER.fullmatch(word):
            continue
        long = name if name.startswith("--") else f"-{name}"
        if name in parser.flags or (long not in parser.flags and name[:2] in parser.flags):
            continue
        raise InputError(
            f"unknown flag {name!r} of {parser.prog}.{suggestion(long, parser.flags)} All flags: "
            f"{parser.prog} --help"
        )


def with_settings(parser: Parser, words: Sequence[str]) -> list[str]:
    """The words of a command, before them those that its file of settings stands for.

    Flags come after the file's words, so they win. The file's last word ends lists.
    """
    flag = parser.flags.get("--settings")
    if flag is None:
        return list(words)
    scan = Parser(add_help=False, allow_abbrev=False, prog=parser.prog)
    scan.add_argument(*flag.option_strings, dest="path", metavar="FILE")
    path = scan.parse_known_args(list(words))[0].path
    if path is None:
        return list(words)
    from ..io.files import read_json

    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        json = path.lower().endswith(".json")
        found = read_json(text, source=repr(path)) if json else tomllib.loads(text)
    except InputError:  # its message has the path
        raise
    except (OSError, ValueError, RecursionError) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(f"the settings in {path!r} cannot be read: {why}.") from error
    before: list[str] = []
    for name, value in _flat(found, parser.sections):
        try:
            before += _as_words(parser, name, value)
        except InputError as error:
            raise InputError(f"{path!r}{_line(text, name)}: {error}") from error
    return [*before, f"--settings={path}", *words]


def _flat(found: dict[str, Any], sections: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """The options of a file; the names of its sections say nothing."""
    for name, value in found.items():
        if name in sections and isinstance(value, dict):
            yield from value.items()
        else:
            yield name, value


def _as_words(parser: Parser, name: str, value: Any) -> list[str]:
    """An option of a file as it would be typed."""
    known = {flag[2:]: action for flag, action in parser.flags.items() if flag.startswith("--")}
    spelt = name.replace("_", "-")
    switch = argparse.BooleanOptionalAction  # false says what its --no-... says
    negative = {n for n, a in known.items() if isinstance(a, switch) and n.startswith("no-")}
    names = [n for n in known if n not in negative and n not in _NO_SETTINGS]
    if spelt not in names:
        near = suggestion(spelt, [*names, *parser.sections])
        raise InputError(
            f"unknown setting {name!r} of {parser.prog}.{near} All settings are the flags of "
            f"{parser.prog} --help, without their dashes."
        )
    action = known[spelt]
    flag = f"--{spelt}"
    if action.nargs == 0:
        check_value(name, value, hint=bool, bounds={})
        opposite = [f"--no-{spelt}"] if f"no-{spelt}" in known else []
        return [flag] if value else opposite
    if action.metavar == "NAME=VALUE" and isinstance(value, dict):
        value = [f"{key}={entry}" for key, entry in value.items()]
    if isinstance(value, list) and action.nargs not in ("*", "+"):
        value = ",".join(map(str, value))
    kind: Any = action.type.kind if isinstance(action.type, Typed) else action.type or str
    hint: Any = tuple[kind, ...] if action.nargs in ("*", "+") else kind
    check_value(name, tuple(value) if isinstance(value, list) else value, hint=hint, bounds={})
    return [flag, *map(str, value)] if isinstance(value, list) else [f"{flag}={value}"]


def _line(text: str, name: str) -> str:
    """Where a name stands in a file, if that can be seen."""
    found = re.search(rf"^[\s{{,]*[\"']?{re.escape(name)}[\"']?\s*[=:\].]", text, re.MULTILINE)
    found = found or re.search(rf"^\s*\[+\s*{re.escape(name)}\s*\]", text, re.MULTILINE)
    return f", line {text[: found.end()].count(chr(10)) + 1}" if found else ""
