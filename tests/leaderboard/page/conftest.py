import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchbench.leaderboard.aggregate import aggregate
from benchbench.leaderboard.grid import grid
from benchbench.leaderboard.page import page
from benchbench.leaderboard.render import answers
from benchbench.store.records import Record

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CURVE = [{"step": step, "samples": 100.0 * step, "loss": 3.0 / step, "accuracy": step / 9} for step in range(1, 9)]


@pytest.fixture(scope="session")
def records(make: Callable[..., Record]) -> list[Record]:
    """Three pretexts with two learners and a floor, on two targets, two seeds; one row lacks a target.

    Correct queries of ten on glyphs: labels 9, rotation 7, jigsaw 5 under protonet, one less under maml; floor 2.
    """
    made = [
        make(p, m, t, (c - lower - (t == "digits"),) * 4, seed=seed)
        for p, c in (("jigsaw", 5), ("labels", 9), ("rotation", 7))
        for m, lower in (("protonet", 0), ("maml", 1))
        for t in ("digits", "glyphs")
        for seed in (0, 1)
        if (p, m, t) != ("jigsaw", "maml", "digits")
    ]
    made.append(make("none", "nearest-centroid", "glyphs", (2, 2), floor=True, backbone="pixels"))
    made.append(make("none", "nearest-centroid", "digits", (1, 2), floor=True, backbone="pixels"))
    made.append(make("mixture", "maml", "glyphs", None, reason="the loss is not finite"))
    return [r.model_copy(update={"curve": CURVE}) if r.status == "ok" and not r.flags.floor else r for r in made]


@pytest.fixture(scope="session")
def text(records: list[Record]) -> str:
    """Their page."""
    return page(aggregate(records))


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """Headless Chromium: the system's own, since Playwright's download is not wanted."""
    api = pytest.importorskip("playwright.sync_api")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("no Chromium is installed: the page was not opened")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path)
        yield started
        started.close()


@pytest.fixture(scope="package")
def contexts(browser: Any) -> Callable[[dict[str, Any]], Any]:
    """A browser context for some options, kept: a tab that is there already opens a page in a third of the time."""
    kept: dict[str, Any] = {}

    def context(options: dict[str, Any]) -> Any:
        if str(options) not in kept:
            size = {"width": 1400, "height": 900}
            kept[str(options)] = browser.new_context(**{"viewport": size, "color_scheme": "light"} | options)
            kept[str(options)].set_default_timeout(10_000)
        return kept[str(options)]

    return context


@pytest.fixture
def show(contexts: Callable[[dict[str, Any]], Any], text: str, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens the page of some records (by default, of `records`) from disk, each time in another tab.

    At the end no message was logged and nothing else was asked for; with `refusals`, what the policy refused is
    expected.
    """
    path = tmp_path / "leaderboard.html"
    path.write_text(text, "utf-8")
    tabs: list[Any] = []
    complaints: list[str] = []
    requests: set[str] = set()
    heard: dict[str, Callable[[Any], Any]] = {
        "console": lambda message: complaints.append(f"{message.type}: {message.text}"),
        "pageerror": lambda error: complaints.append(f"error: {error}"),
        "dialog": lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()),
        "request": lambda request: requests.add(request.url.partition("#")[0]),
    }

    def opened(
        records: list[Record] | None = None,
        *,
        plots: dict[str, str] | None = None,
        columns: Any = None,
        answered: bool = False,
        address: str = "",
        refusals: bool = False,
        **options: Any,
    ) -> Any:
        if records is not None:
            told = answers(grid(records)) if answered else None
            path.write_text(page(aggregate(records, columns), plots, told), "utf-8")
        if refusals:
            del heard["console"]
            heard["requestfailed"] = lambda request: request.failure == "csp" and requests.discard(request.url)
        context = contexts(options)
        tab = next((each for each in context.pages if each not in tabs), None) or context.new_page()
        tabs.append(tab)
        for event, listen in heard.items():
            tab.on(event, listen)
        tab.mouse.move(0, 0)
        tab.goto(path.as_uri() + address)
        tab.wait_for_selector("html[data-ready]")
        return tab

    yield opened
    for tab in tabs:
        for event, listen in heard.items():
            tab.remove_listener(event, listen)
        tab.evaluate("localStorage.clear()")
    assert complaints == []
    assert {url for url in requests if not url.startswith("data:")} <= {path.as_uri()}
