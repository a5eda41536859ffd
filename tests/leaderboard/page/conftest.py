import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchbench.leaderboard.aggregate import aggregate
from benchbench.leaderboard.page import page
from benchbench.records import Record

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


@pytest.fixture
def show(browser: Any, text: str, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens the page of some records (by default, of `records`) from disk.

    At the end no message was logged and nothing else was asked for; with `refusals`, what the policy refused is
    expected.
    """
    path = tmp_path / "leaderboard.html"
    path.write_text(text, "utf-8")
    contexts: dict[str, Any] = {}
    complaints: list[str] = []
    requests: set[str] = set()

    def opened(
        records: list[Record] | None = None,
        *,
        plots: dict[str, str] | None = None,
        columns: Any = None,
        address: str = "",
        refusals: bool = False,
        **options: Any,
    ) -> Any:
        if records is not None:
            path.write_text(page(aggregate(records, columns), plots), "utf-8")
        # Pages with the same options share a context, and so its storage.
        if str(options) not in contexts:
            size = {"width": 1400, "height": 900}
            contexts[str(options)] = browser.new_context(**{"viewport": size, "color_scheme": "light"} | options)
        tab = contexts[str(options)].new_page()
        tab.set_default_timeout(10_000)
        if not refusals:
            tab.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        tab.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        tab.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        tab.on("request", lambda request: requests.add(request.url.partition("#")[0]))
        if refusals:
            tab.on("requestfailed", lambda request: request.failure == "csp" and requests.discard(request.url))
        tab.goto(path.as_uri() + address)
        tab.wait_for_selector("html[data-ready]")
        return tab

    yield opened
    for context in contexts.values():
        context.close()
    assert complaints == []
    assert {url for url in requests if not url.startswith("data:")} <= {path.as_uri()}
