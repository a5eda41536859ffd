"""Downloads, against a server of this test on 127.0.0.1."""

import hashlib
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchbench import Archive, BenchbenchError
from benchbench.data.downloads import fetch

CONTENT = bytes(range(256)) * 40
CHECKSUM = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    """What is served, and what was asked: path and Range header."""

    files: dict[str, bytes]
    #: The line breaks after so many bytes of the first answer.
    cut: int | None = None
    ranges: bool = True
    url: str = ""
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range")
        self.asked.append((request.path, wanted))
        content = self.files.get(request.path)
        if content is None:
            request.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges else 0
        if start >= len(content):
            request.send_error(416)
            return
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(content) - start))
        request.end_headers()
        cut, self.cut = self.cut, None
        request.wfile.write(content[start:cut])


@pytest.fixture
def server() -> Iterator[Server]:
    served = Server({"/file.bin": CONTENT})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.answer(self)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        served.url = f"http://127.0.0.1:{running.server_port}"
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield served
        running.shutdown()


def test_fetches_once(server: Server, tmp_path: Path) -> None:
    archive = Archive(f"{server.url}/file.bin", CHECKSUM, into="some/folder")
    told: list[tuple[str, int, int | None]] = []
    for _ in range(2):
        fetch([archive], tmp_path, report=lambda *said: told.append(said))
    assert (tmp_path / "some" / "folder" / "file.bin").read_bytes() == CONTENT
    assert server.asked == [("/file.bin", None)]
    assert told[-1] == ("file.bin", len(CONTENT), len(CONTENT))


def test_a_broken_line_is_taken_up_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.cut = 3000
    fetch([Archive(f"{server.url}/file.bin", CHECKSUM)], tmp_path)
    assert server.asked == [("/file.bin", None), ("/file.bin", "bytes=3000-")]
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert [p.name for p in tmp_path.iterdir()] == ["file.bin"]


def test_what_an_earlier_command_left_is_continued(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:5000])
    fetch([Archive(f"{server.url}/file.bin", CHECKSUM)], tmp_path)
    assert server.asked == [("/file.bin", "bytes=5000-")]
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_complete_part_needs_no_byte_more(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    fetch([Archive(f"{server.url}/file.bin", CHECKSUM)], tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_server_without_ranges_begins_anew(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    (tmp_path / "file.bin.part").write_bytes(b"something else")
    fetch([Archive(f"{server.url}/file.bin", CHECKSUM)], tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_wrong_checksum_is_refused_and_nothing_kept(server: Server, tmp_path: Path) -> None:
    with pytest.raises(BenchbenchError, match=r"file\.bin could not be fetched .*checksum is not md5:00"):
        fetch([Archive(f"{server.url}/file.bin", "md5:00")], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_mirror_is_tried_first_and_the_author_next(server: Server, tmp_path: Path) -> None:
    server.files = {"/mirror/file.bin": CONTENT, "/file.bin": CONTENT}
    archive = Archive(f"{server.url}/file.bin", CHECKSUM)
    fetch([archive], tmp_path / "a", mirrors=[f"{server.url}/mirror/"])
    fetch([archive], tmp_path / "b", mirrors=[f"{server.url}/none"])
    assert [path for path, _ in server.asked] == ["/mirror/file.bin", "/none/file.bin", "/file.bin"]


def test_a_mirror_with_a_bad_file_is_passed_over(server: Server, tmp_path: Path) -> None:
    server.files["/mirror/file.bin"] = b"bad"
    fetch([Archive(f"{server.url}/file.bin", CHECKSUM)], tmp_path, mirrors=[f"{server.url}/mirror"])
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_without_a_network_it_says_what_to_put_where(tmp_path: Path) -> None:
    # Port 9 of this machine: nobody listens.
    with pytest.raises(BenchbenchError, match=r"file\.bin could not be fetched .*put it at .*some.file\.bin and run"):
        fetch([Archive("http://127.0.0.1:9/file.bin", CHECKSUM, into="some")], tmp_path)


def test_other_addresses_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchbenchError, match="expected one that begins with http"):
        fetch([Archive("http://127.0.0.1:9/x", CHECKSUM)], tmp_path, mirrors=["file:///etc"])


def test_an_archive_put_there_by_hand_is_unpacked(tmp_path: Path) -> None:
    place = tmp_path / "tree" / "pictures.zip"
    place.parent.mkdir()
    with zipfile.ZipFile(place, "w") as out:
        out.writestr("pictures/1.txt", "one")
    checksum = "md5:" + hashlib.md5(place.read_bytes()).hexdigest()
    fetch([Archive("http://127.0.0.1:9/pictures.zip", checksum, into="tree")], tmp_path)
    assert (tmp_path / "tree" / "pictures" / "1.txt").read_text() == "one"
