"""``dynamix book``: what the makers of the book run, in a checkout of its repository."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from .flags import command


def add(commands: Any) -> None:
    """Add the command and its parts."""
    book = commands.add_parser("book", help="make the book: run, check, build, recompute, ...")
    parts = book.add_subparsers(dest="part", required=True, metavar="PART")

    run = command(parts, "run", _run, "run the book's notebooks in place and check them")
    _add_names(run)
    run.add_argument("--stale", action="store_true", help="only those whose outputs are stale")
    run.add_argument("--profile", help="parameters of book/profiles.yml; results go to _build")
    run.add_argument("--jobs", type=int, default=2, help="notebooks at a time (default: 2)")

    check = command(
        parts, "check", _check, "check that the committed notebooks are clean and fresh"
    )
    _add_names(check)

    solutions = command(parts, "solutions", _solutions, "run the solutions of the exercises")
    _add_names(solutions)
    solutions.add_argument("--profile", help="parameters of book/profiles.yml")

    build = command(parts, "build", _build, "build the book from the stored outputs and check it")
    build.add_argument("what", choices=("html", "pdf", "zip"))
    build.add_argument("--repository", help="https://host/owner/name, for the launch buttons")

    recompute = command(parts, "recompute", _recompute, "repeat the commands of stored results")
    recompute.add_argument("names", nargs="*", help="results by name (default: all)")
    recompute.add_argument("--list", action="store_true", help="only show the commands")
    recompute.add_argument("--jobs", type=int, default=1, help="commands at a time (default: 1)")
    recompute.add_argument("--resume", action="store_true", help="continue an interrupted run")

    results = command(parts, "results", _results, "write the page of stored results")
    results.add_argument("--check", action="store_true", help="only check that it is up to date")


def _add_names(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", help="beginnings of notebooks' names (default: all)")


def _say(line: str) -> None:
    from tqdm import tqdm

    tqdm.write(line, file=sys.stdout)
    sys.stdout.flush()


def _failed(problems: list[str]) -> int:
    """Show the problems; exit code 1 if there are any."""
    sys.stderr.writelines(f"{problem}\n" for problem in problems)
    return int(bool(problems))


def _run(options: argparse.Namespace) -> int:
    from ..companion import run

    paths = run.chapters(options.names, stale=options.stale)
    return _failed(run.run(paths, profile=options.profile, jobs=options.jobs, say=_say))


def _check(options: argparse.Namespace) -> int:
    from ..companion import run

    return _failed(run.check(run.chapters(options.names)))


def _solutions(options: argparse.Namespace) -> int:
    from ..companion import solutions

    return _failed(solutions.run_book(options.names, profile=options.profile, say=_say))


def _build(options: argparse.Namespace) -> int:
    from ..companion import build

    return _failed(build.build(options.what, repository=options.repository, say=_say))


def _recompute(options: argparse.Namespace) -> int:
    from ..companion import recompute

    project = recompute.Recomputation()
    chosen = project.chosen(options.names, resume=options.resume)
    _say(recompute.overview(chosen, commands=options.list))
    if options.list:
        return 0
    return project.run(options.names, jobs=options.jobs, resume=options.resume, say=_say)


def _results(options: argparse.Namespace) -> int:
    from ..companion import results_page

    if options.check:
        return _failed(results_page.problems())
    _say(f"{results_page.write().name} written")
    return 0
