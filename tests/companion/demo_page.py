"""The live demo's page in a browser: fixtures and gestures that its tests share."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / "book" / "_assets"
BUILT = ROOT / "_build" / "html" / "demo.html"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]
PATIENCE = 300_000  # milliseconds: a busy machine is slow, and that is no failure


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium of the system."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="the demo's tests need playwright: pip install '.[test]'"
    )
    playwright.expect.set_options(timeout=PATIENCE)
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser here; looked for {', '.join(BROWSERS)}")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        running.close()


def is_current(built: Path) -> bool:
    """Whether the built book has the demo's page and files as they are now."""
    static = built.parent / "_static" / "demo"
    return (
        built.is_file()
        and fragment() in built.read_text(encoding="utf-8")
        and all(
            (static / path.name).is_file()
            and (static / path.name).read_bytes() == path.read_bytes()
            for path in (ASSETS / "demo").iterdir()
        )
    )


def fragment() -> str:
    """The page's own HTML."""
    text = (ROOT / "book" / "demo.md").read_text(encoding="utf-8")
    return text[text.index('<div id="dynamix-demo">') : text.rindex("</script>") + len("</script>")]


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    """The built page if it is up to date, else one put together from the same HTML."""
    if is_current(BUILT):
        return BUILT.as_uri()
    page = tmp_path_factory.mktemp("demo") / "demo.html"
    body = fragment().replace("_static/", f"{ASSETS.as_uri()}/")
    page.write_text(
        '<!doctype html><html lang="en" data-theme="light"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>demo</title><main>{body}</main>",
        encoding="utf-8",
    )
    return page.as_uri()


@pytest.fixture
def visit(browser, address) -> Iterator[Callable[..., Any]]:
    """Open the demo; afterwards: nothing was asked of the outside, nothing went wrong unseen."""
    contexts, asked, wrong = [], list[str](), list[str]()

    def watch(page: Any, problems: list[str]) -> None:
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)

    def open_page(**options: Any) -> Any:
        context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        watch(page, wrong)
        page.goto(address)
        return page

    yield open_page
    theme = list[str]()
    if wrong and address == BUILT.as_uri():  # what every page of the book says is the theme's
        other = contexts[-1].new_page()
        watch(other, theme)
        other.goto(BUILT.with_name("log.html").as_uri())
    for context in contexts:
        context.close()
    assert [url for url in asked if not url.startswith(("file:", "blob:", "data:"))] == []
    assert [text for text in wrong if text not in theme] == []


def run_to_the_end(page: Any) -> pd.DataFrame:
    """Press Start, wait, and take the forecast as the page saves it."""
    page.locator(".dynamix-settings").evaluate("e => (e.open = true)")
    page.get_by_label("Speed").select_option("still")
    page.get_by_role("button", name="Start").click()
    page.locator(".dynamix-status", has_text="Finished:").wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as CSV").click()
    return pd.read_csv(download.value.path(), index_col="step")


def paste(page: Any, text: str) -> None:
    page.get_by_label("Series", exact=True).select_option("own")
    page.get_by_label("One row per time step").fill(text)
    page.get_by_role("button", name="Read the table").click()
    read(page)


def read(page: Any) -> None:
    """Wait until the worker has read the table."""
    page.wait_for_function("!document.getElementById('dynamix-demo').dataset.reading")


def csv(values: np.ndarray, names: list[str], **options: Any) -> str:
    text = io.StringIO()
    pd.DataFrame(values, columns=names).to_csv(text, index=False, **options)
    return text.getvalue()
