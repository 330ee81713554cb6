"""``dynamix completion``: a script that makes a shell complete commands, flags and choices."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ..errors import InputError
from .flags import Parser, Typed, command

SHELLS = ("bash", "zsh", "fish", "tcsh")
_USE = """once, and after an update:
  dynamix completion bash > ~/.local/share/bash-completion/completions/dynamix
  dynamix completion zsh > ~/.zfunc/_dynamix    (a folder of fpath)
  dynamix completion fish > ~/.config/fish/completions/dynamix.fish"""


def add(commands: Any) -> None:
    """Add the command."""
    parser = command(commands, "completion", run, "write a shell's script of completions")
    parser.add_argument("shell", choices=SHELLS, type=Typed(str, SHELLS), help="whose script")
    parser.epilog, parser.formatter_class = _USE, argparse.RawDescriptionHelpFormatter


def run(options: argparse.Namespace) -> None:
    """Write the script."""
    from ..baselines import table
    from .parser import parser

    try:
        import shtab
    except ImportError as error:
        raise InputError("completions need shtab. Install it with: pip install shtab") from error

    def describe(part: Parser) -> None:
        """Say of all flags what may follow them."""
        for action in part.filled()._actions:
            if action.metavar == "FILE" or action.dest in ("data", "notebook"):
                action.complete = shtab.FILE  # type: ignore[attr-defined]
            if action.dest == "model":
                action.choices = list(table().index)
        for inner in part.commands.values():
            describe(inner)

    top = parser()
    describe(top)
    sys.stdout.write(f"{shtab.complete(top, options.shell)}\n")
