"""``dynamix book``: what the makers of the book run, in a checkout of its repository."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from .flags import Typed, command

WHAT = ("html", "pdf", "sheet", "zip")


def add(commands: Any) -> None:
    """Add the command and its parts."""
    book = commands.add_parser("book", help="make the book: run, check, build, recompute, ...")
    parts = book.add_subparsers(dest="part", required=True, metavar="PART")
    run_ = command(parts, "run", run, "run the book's notebooks in place and check them")
    run_.add_argument("--stale", action="store_true", help="only those whose outputs are stale")
    run_.add_argument("--jobs", type=Typed(int), default=2, help="notebooks at a time (default: 2)")
    run_.add_argument("--keep", action="store_true", help="leave those of book/; results in _build")
    check = command(parts, "check", run, "check that the committed notebooks are clean and fresh")
    solutions = command(parts, "solutions", run, "run the solutions of the exercises")
    slides = command(parts, "slides", run, "make the slides of the chapters")
    for part in (run_, check, solutions, slides):
        part.add_argument("names", nargs="*", help="beginnings of notebooks' names (default: all)")
    for part in (run_, solutions):
        part.add_argument("--profile", help="parameters of book/profiles.yml; results in _build")
    assignment = command(parts, "assignment", run, "make notebooks for students, with their keys")
    assignment.add_argument("names", nargs="+", help="chapters, by number")
    grade = command(parts, "grade", run, "grade submissions of an assignment")
    grade.add_argument("key", help="the assignment's key.ipynb, or its chapter by number")
    grade.add_argument("submissions", nargs="+", help="notebooks with the answers of students")
    grade.add_argument(
        "--limit", type=Typed(float), default=600.0, help="seconds for one answer (default: 600)"
    )
    build = command(parts, "build", run, "build the book from the stored outputs and check it")
    build.add_argument("what", choices=WHAT, type=Typed(str, WHAT), help="what to build")
    build.add_argument("--repository", help="https://host/owner/name, for the launch buttons")
    build.add_argument("--ran", action="store_true", help="from what run --keep has left")
    recompute = command(parts, "recompute", run, "repeat the commands of stored results")
    recompute.add_argument("names", nargs="*", help="results by name (default: all)")
    recompute.add_argument("--list", action="store_true", help="only show the commands")
    recompute.add_argument(
        "--jobs", type=Typed(int), default=1, help="commands at a time (default: 1)"
    )
    recompute.add_argument("--resume", action="store_true", help="continue an interrupted run")
    command(parts, "house", run, "write the pages that are made from the library's rooms")
    results = command(parts, "results", run, "write the page of stored results")
    results.add_argument("--check", action="store_true", help="only check that it is up to date")


def run(options: argparse.Namespace) -> int:
    """Run one part; the exit code is 1 if there are problems, which are shown."""
    from ..companion import in_checkout

    in_checkout()
    from ..companion import (
        assignments,
        build,
        grading,
        house,
        recompute,
        results_page,
        slides,
        solutions,
    )
    from ..companion import run as notebooks

    problems: list[str] = []
    match options.part:
        case "run":
            paths = notebooks.chapters(options.names, stale=options.stale)
            given = {"profile": options.profile, "jobs": options.jobs, "keep": options.keep}
            problems = notebooks.run(paths, **given, say=_say)
        case "check":
            problems = notebooks.check(notebooks.chapters(options.names))
        case "solutions":
            problems = solutions.run_book(options.names, profile=options.profile, say=_say)
        case "slides":
            problems = slides.build(options.names, say=_say)
        case "assignment":
            assignments.write(options.names, say=_say)
        case "grade":
            grading.run(options.key, options.submissions, limit=options.limit, say=_say)
        case "build":
            address, ran = options.repository, options.ran
            problems = build.build(options.what, repository=address, ran=ran, say=_say)
        case "house":
            _say(f"{house.write()} pages written")
        case "results" if options.check:
            problems = results_page.problems()
        case "results":
            _say(f"{results_page.write().name} written")
        case "recompute":
            project = recompute.Recomputation()
            chosen = project.chosen(options.names, resume=options.resume)
            _say(recompute.overview(chosen, commands=options.list))
            if not options.list:
                given = {"jobs": options.jobs, "resume": options.resume}
                return project.run(options.names, **given, say=_say)
    sys.stderr.writelines(f"{problem}\n" for problem in problems)
    return int(bool(problems))


def _say(line: str) -> None:
    from tqdm import tqdm

    tqdm.write(line, file=sys.stdout)
    sys.stdout.flush()
