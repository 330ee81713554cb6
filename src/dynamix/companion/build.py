"""Build the book from the notebooks' stored outputs: pages, one PDF, or a zip of the pages.

python scripts/build_book.py html    pages in _build/html, warnings are errors, then checked
python scripts/build_book.py pdf     _build/dynamix-book.pdf, printed by a headless Chromium
python scripts/build_book.py zip     _build/dynamix-book.zip, the pages to carry along

Launch buttons need to know where the book's repository is: it is taken from --repository, from a
GitHub workflow's own variables, from ``Repository`` among pyproject.toml's addresses, or from git's
origin, whichever is there first.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from tqdm import tqdm

ROOT = Path(__file__).parents[3]
BUILD = ROOT / "_build"
NAME = "dynamix-book"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
BROWSER_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Sphinx' stages, as it prints them, with the share of the time that each usually takes
STAGES = {"reading sources": 50, "writing output": 35, "highlighting module code": 10}
PERCENT = re.compile(r"^(?P<stage>[a-z ]+)\.\.\. *\[ *(?P<percent>\d+)%\]")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def repository(
    named: str | None, environment: Mapping[str, str], project: Mapping[str, Any], origin: str
) -> str | None:
    """The book's repository, ``https://host/owner/name``; None where nobody knows."""
    github = environment.get("GITHUB_REPOSITORY")
    server = environment.get("GITHUB_SERVER_URL", "https://github.com")
    candidates = (
        named,
        f"{server}/{github}" if github else None,
        project.get("urls", {}).get("Repository"),
        re.sub(r"^(?:ssh://)?git@([^:/]+)[:/]", r"https://\1/", origin),
    )
    for candidate in candidates:
        if candidate and re.fullmatch(
            r"https://[\w.-]+\.\w+/[\w.-]+/[\w.-]+?(\.git)?/?", candidate
        ):
            return candidate.rstrip("/").removesuffix(".git")
    return None


def configuration(address: str | None) -> dict[str, Any]:
    """The book's settings, with launch buttons where the repository is known."""
    settings: dict[str, Any] = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    settings["sphinx"]["local_extensions"] = {"book_extension": str(ROOT / "scripts")}
    if address:
        settings["repository"] = {"url": address, "path_to_book": "book", "branch": "main"}
        settings["launch_buttons"] = {
            "notebook_interface": "jupyterlab",
            "binderhub_url": "https://mybinder.org",
            "colab_url": "https://colab.research.google.com",
        }
        settings["html"] |= {"use_repository_button": True, "use_issues_button": True}
    return settings


def find_repository(named: str | None) -> str | None:
    """Look in all places."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    git = ["git", "-C", str(ROOT), "remote", "get-url", "origin"]
    try:
        origin = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        origin = ""
    return repository(named, os.environ, project, origin)


def sphinx(builder: str, address: str | None) -> None:
    """Run Jupyter Book with warnings as errors; what it complains of is shown."""
    BUILD.mkdir(exist_ok=True)
    # Sphinx leaves pages of source code alone that look new enough, wrong links and all
    shutil.rmtree(BUILD / builder, ignore_errors=True)
    settings = BUILD / "_config.yml"
    settings.write_text(yaml.safe_dump(configuration(address)), encoding="utf-8")
    jb = Path(sysconfig.get_path("scripts")) / "jb"
    command = [str(jb), "build", str(ROOT / "book"), "--path-output", str(ROOT)]
    command += ["--config", str(settings), "--toc", str(ROOT / "_toc.yml")]
    command += ["--all", "-W", "-n", "--keep-going", "--builder", builder]
    done = dict.fromkeys(STAGES, 0)
    complaints = []
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    with tqdm(total=100, desc="building pages", unit="%", disable=None) as bar:
        for line in (COLOUR.sub("", text).rstrip() for text in process.stdout):
            if (found := PERCENT.match(line)) and found["stage"] in STAGES:
                done[found["stage"]] = int(found["percent"])
                bar.n = sum(STAGES[stage] * share // 100 for stage, share in done.items())
                bar.refresh()
            elif re.search(r"WARNING|ERROR|Error|Traceback", line) or complaints:
                complaints.append(line)
        if process.wait() == 0:
            bar.update(100 - bar.n)
    if process.returncode:
        sys.exit("\n".join(["the book was not built:", *complaints[-40:]]))


def html(address: str | None) -> None:
    """Build the pages and check them."""
    sphinx("html", address)
    if problems := _checker().check(BUILD / "html"):
        sys.exit("\n".join(["the pages are not in order:", *problems]))
    if address is None:
        print(
            "No repository is known, so the pages offer their notebooks for download but have no "
            "launch buttons. make html REPOSITORY=https://github.com/OWNER/NAME adds them."
        )
    print(f"The book: {(BUILD / 'html' / 'index.html').as_uri()}")


def _checker() -> Any:
    """The neighbouring script as a module."""
    location = Path(__file__).with_name("check_book.py")
    spec = importlib.util.spec_from_file_location("check_book", location)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pdf(address: str | None) -> None:
    """Print the whole book, as a single page, to a PDF."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit(f"the PDF is printed by a browser: install one of {', '.join(BROWSERS)}")
    sphinx("singlehtml", address)
    page, target = BUILD / "singlehtml" / "intro.html", BUILD / f"{NAME}.pdf"
    if not page.is_file():
        page = page.with_name("index.html")
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, *BROWSER_FLAGS, f"--user-data-dir={profile}"]
        # time for MathJax to set every formula
        command += ["--virtual-time-budget=120000", "--no-pdf-header-footer"]
        command += [f"--print-to-pdf={target}", page.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=500)
    print(f"The book as one PDF: {target.as_uri()} ({target.stat().st_size / 1e6:.1f} MB)")


def archive() -> None:
    """Zip the pages."""
    if not (BUILD / "html" / "index.html").is_file():
        sys.exit("no pages to put together: build them first, make html")
    target = shutil.make_archive(str(BUILD / NAME), "zip", root_dir=BUILD, base_dir="html")
    print(f"The pages in one file: {Path(target).as_uri()}")


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Build the book from the stored outputs.")
    parser.add_argument("what", choices=("html", "pdf", "zip"))
    parser.add_argument("--repository", help="https://host/owner/name, for the launch buttons")
    options = parser.parse_args()
    if options.what == "zip":
        archive()
        return
    address = find_repository(options.repository or None)
    (html if options.what == "html" else pdf)(address)


if __name__ == "__main__":
    main()
