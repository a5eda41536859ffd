"""Links out of the README and the pages lead somewhere, as far as this machine's network reaches."""

import re
import threading
import warnings
from collections.abc import Iterator
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

import pytest

from benchbench.components import registry

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"https?://[^\s)>\]\"'`]+")
#: What a page that is gone answers. Others (403, 429, 503) refuse programs, or are busy.
GONE = (404, 410)


class _Stay(HTTPRedirectHandler):
    """A page that has moved answers: no other host is asked."""

    def redirect_request(self, *_: object) -> None:
        return None


def answer(url: str) -> int | None:
    """The status that a link answers with, None where nothing does."""
    for method in ("HEAD", "GET"):
        try:
            with build_opener(_Stay).open(Request(url, method=method), timeout=20) as response:
                return response.status
        except HTTPError as error:
            status = error.code
        except (OSError, HTTPException):
            return None
        # Some servers know no HEAD.
        if status not in (*GONE, 405, 501):
            return status
    return status


def linked(pages: list[Path]) -> dict[str, Path]:
    """Every link with a page that holds it."""
    return {link.rstrip(".,:"): page for page in pages for link in LINK.findall(page.read_text("utf-8"))}


@pytest.mark.full
def test_no_link_leads_nowhere(pages: list[Path]) -> None:
    texts = [*pages, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "plugins").glob("*/README.md"))]
    # The pages of datasets, which code writes, name where these come from.
    links = linked(texts) | {o.load().homepage: o.name for o in registry.offers("dataset") if o.load().homepage}
    assert len(links) > 20
    answers = {link: answer(link) for link in links}
    silent = sorted(link for link, status in answers.items() if status is None)
    if len(silent) == len(links):
        pytest.skip(f"no network: none of {len(links)} links was checked")
    if silent:
        warnings.warn(f"not reached from here, so not checked: {', '.join(silent)}", stacklevel=1)
    assert {link: str(links[link]) for link, status in answers.items() if status in GONE} == {}


class _Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response({"/here": 200, "/gone": 404, "/closed": 403, "/moved": 301}[self.path])
        self.send_header("Location", "http://elsewhere.invalid/")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    """A site that knows no HEAD."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Site)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_answers_are_told_apart(site: str) -> None:
    assert [answer(f"{site}/{page}") for page in ("here", "gone", "closed", "moved")] == [200, 404, 403, 301]
    assert answer("http://127.0.0.1:1/nobody-listens") is None


def test_links_are_found_in_text(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("[a](https://a.example/x#y), <https://b.example>: see https://c.example/z.\n")
    assert set(linked([page])) == {"https://a.example/x#y", "https://b.example", "https://c.example/z"}
