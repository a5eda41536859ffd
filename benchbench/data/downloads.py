"""Downloads that survive a broken connection: resumed where they stopped, checked, from mirrors on request."""

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from benchbench.data.archives import BLOCK, Archive, is_archive, unpack
from benchbench.errors import BenchbenchError

#: How many times one address is tried before the next.
ATTEMPTS = 3
#: Seconds without a byte after which a connection counts as broken.
SILENCE = 60
#: Receives the file's name, the bytes done, and the total bytes if known.
Report = Callable[[str, int, int | None], None]


def fetch(
    archives: Sequence[Archive], root: Path, *, mirrors: Sequence[str] = (), report: Report | None = None
) -> None:
    """Fetch every archive into `root` and unpack it; one that is already there, complete, is not fetched again.

    `mirrors` are addresses of folders that hold the files under their own names; they are tried first. Raises
    BenchbenchError, naming the file to get by hand, if no address delivers it.
    """
    for archive in archives:
        place = root / archive.into / archive.name
        if not (place.is_file() and _matches(place, archive.checksum)):
            place.parent.mkdir(parents=True, exist_ok=True)
            _download(archive, place, mirrors, report or (lambda name, done, total: None))
        if is_archive(place):
            unpack(place, place.parent)


def _download(archive: Archive, place: Path, mirrors: Sequence[str], report: Report) -> None:
    part = place.with_name(place.name + ".part")
    problems = []
    for url in [*(f"{m.rstrip('/')}/{archive.name}" for m in mirrors), archive.url]:
        if not url.startswith(("http://", "https://")):
            raise BenchbenchError(f"address {url}: expected one that begins with http:// or https://")
        for _ in range(ATTEMPTS):
            try:
                _continue(url, part, lambda done, total: report(archive.name, done, total))
            except urllib.error.HTTPError as error:
                problems.append(f"{url}: {error.code} {error.reason}")
                break
            except (OSError, http.client.HTTPException) as error:
                problems.append(f"{url}: {error}")
                continue
            if _matches(part, archive.checksum):
                os.replace(part, place)
                return
            problems.append(f"{url}: the file's checksum is not {archive.checksum}")
            part.unlink()
            break
    raise BenchbenchError(
        f"{archive.name} could not be fetched ({'; '.join(dict.fromkeys(problems))}): get it elsewhere, put it at "
        f"{place} and run the same command again, or name a folder that holds it with --mirror"
    )


def _continue(url: str, part: Path, report: Callable[[int, int | None], None]) -> None:
    """Append what is missing to `part`. Raises OSError if the connection breaks before the end."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=SILENCE)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # Nothing is missing; whether it is the right file, the checksum says.
        raise
    with answer, part.open("ab") as out:
        if answer.status != http.HTTPStatus.PARTIAL_CONTENT:
            # The server starts over.
            out.truncate(0)
            have = 0
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else None
        while block := answer.read(BLOCK):
            out.write(block)
            have += len(block)
            report(have, total)
    if total is not None and have < total:
        raise OSError(f"the line broke after {have:,} of {total:,} bytes")


def _matches(path: Path, checksum: str) -> bool:
    kind, _, value = checksum.partition(":")
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest() == value
