"""Building the book from the outputs in its notebooks: pages with decks, one PDF, or a zip.

Launch buttons need the address of the book's repository. It comes from ``--repository``, or from
git's origin.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..io.files import copy, write_text, write_whole
from ..io.progress import tqdm
from . import BOOK, BUILD, ROOT, run, site, slides
from . import check as checks

NAME = "dynamix-book"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
BROWSER_FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def build(
    what: str, *, repository: str | None, say: Callable[[str], None], ran: bool = False
) -> list[str]:
    """Build ``what``; returns what is wrong, and says where the result is.

    With ``ran``, pages are made of the notebooks that ran into ``_build/run``.
    """
    if what == "zip":
        if not (BUILD / "html" / "index.html").is_file():
            raise InputError("there are no pages to zip. Build them first: make html.")
        target = BUILD / f"{NAME}.zip"
        with write_whole(target) as temporary:
            shutil.make_archive(str(temporary.with_suffix("")), "zip", BUILD, "html")
        say(f"The pages in one file: {target.as_uri()}")
        return []
    if what == "sheet":
        page, target = BUILD / "html" / "cheat_sheet.html", BUILD / "cheat_sheet.pdf"
        if not page.is_file():
            raise InputError("there are no pages to print from. Build them first: make html.")
        print_page(page, target)
        say(f"The cheat sheet: {target.as_uri()}")
        return []
    address = find_repository(repository or None)
    if what == "pdf":
        return _pdf(address, say)
    source = with_runs() if ran else BOOK
    if problems := _sphinx("html", address, source) or slides.build(say=say, folder=source):
        return problems
    first = (BUILD / "html" / "intro.html").read_text(encoding="utf-8")
    write_text(BUILD / "html" / "index.html", site.entrance(first, "intro.html"))
    if problems := checks.check(BUILD / "html"):
        return problems
    if address is None:
        say(
            "No repository is known, so the pages have no launch buttons. "
            "make html REPOSITORY=https://github.com/OWNER/NAME adds them."
        )
    say(f"The book: {(BUILD / 'html' / 'index.html').as_uri()}")
    return []


def with_runs() -> Path:
    """A copy of the book's sources, in which notebooks that ran replace the committed ones."""
    copied = BUILD / "source"
    shutil.rmtree(copied, ignore_errors=True)
    shutil.copytree(BOOK, copied)
    for path in run.chapters(folder=BUILD / "run"):
        copy(path, copied / path.name)
    return copied


def find_repository(named: str | None) -> str | None:
    """The book's repository, looked for in both places."""
    git = ["git", "-C", str(ROOT), "remote", "get-url", "origin"]
    try:
        origin = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        origin = ""
    return choose_repository(named, origin)


def choose_repository(*candidates: str | None) -> str | None:
    """The first candidate that is an address like ``https://host/owner/name``."""
    for candidate in candidates:
        address = re.sub(r"^(?:ssh://)?git@([^:/]+)[:/]", r"https://\1/", candidate or "")
        if re.fullmatch(r"https://[\w.-]+\.\w+/[\w.-]+/[\w.-]+?(\.git)?/?", address):
            return address.rstrip("/").removesuffix(".git")
    return None


def configuration(address: str | None) -> dict[str, Any]:
    """The book's configuration, with launch buttons where the repository is known."""
    import yaml

    settings: dict[str, Any] = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    settings["sphinx"]["extra_extensions"].append("dynamix.companion.sphinx_extension")
    if address:
        settings["repository"] = {"url": address, "path_to_book": "book", "branch": "main"}
        settings["launch_buttons"] = {
            "notebook_interface": "jupyterlab",
            "binderhub_url": "https://mybinder.org",
            "colab_url": "https://colab.research.google.com",
        }
        settings["html"] |= {"use_repository_button": True, "use_issues_button": True}
    else:
        settings["repository"] = {"url": ""}  # or Jupyter Book takes its own
    return settings


def _sphinx(builder: str, address: str | None, source: Path = BOOK) -> list[str]:
    """Run Jupyter Book with warnings as errors; returns its complaints."""
    import yaml

    BUILD.mkdir(exist_ok=True)
    # Sphinx does not renew pages of source code that look new enough, even with wrong links
    shutil.rmtree(BUILD / builder, ignore_errors=True)
    settings = BUILD / "_config.yml"
    write_text(settings, yaml.safe_dump(configuration(address)))
    command = [str(Path(sysconfig.get_path("scripts")) / "jb"), "build", str(source)]
    command += ["--path-output", str(ROOT), "--config", str(settings)]
    command += ["--toc", str(ROOT / "_toc.yml"), "--all", "-W", "-n", "--keep-going"]
    command += ["--builder", builder]
    complaints: list[str] = []
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    for text in tqdm(process.stdout, desc="building pages", unit="line", disable=None):
        line = COLOUR.sub("", text).rstrip()
        if re.search(r"WARNING|ERROR|Error|Traceback", line) or complaints:
            complaints.append(line)
    return ["the book was not built:", *complaints[-40:]] if process.wait() else []


def print_page(page: Path, target: Path) -> None:
    """Print a page to a PDF, with a browser."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise InputError(f"a browser prints the PDF: install one of {', '.join(BROWSERS)}.")
    with tempfile.TemporaryDirectory() as profile, write_whole(target) as temporary:
        command = [browser, *BROWSER_FLAGS, f"--user-data-dir={profile}"]
        # time for MathJax to set every formula
        command += ["--virtual-time-budget=120000", "--no-pdf-header-footer"]
        command += [f"--print-to-pdf={temporary}", page.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=500)


def _pdf(address: str | None, say: Callable[[str], None]) -> list[str]:
    """Print the whole book, as a single page, to a PDF."""
    if problems := _sphinx("singlehtml", address):
        return problems
    page, target = BUILD / "singlehtml" / "intro.html", BUILD / f"{NAME}.pdf"
    if not page.is_file():
        page = page.with_name("index.html")
    print_page(page, target)
    say(f"The book as one PDF: {target.as_uri()} ({target.stat().st_size / 1e6:.1f} MB)")
    return []
