"""MovieLens as GroupLens publishes it: the files of its two smaller sets."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchbench import BenchbenchError

#: Files of ratings, items and users of each set, what stands between the columns of each, and how many these are.
LAYOUTS = {
    "100k": ("ml-100k", (("u.data", "\t", 4), ("u.item", "|", 24), ("u.user", "|", 5))),
    "1m": ("ml-1m", (("ratings.dat", "::", 4), ("movies.dat", "::", 3), ("users.dat", "::", 5))),
}
#: What the 19 flags of an item in u.item stand for, in their order.
GENRES = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
#: The lowest ages of the groups that the larger set gives in place of ages.
AGES = (1, 18, 25, 35, 45, 50, 56)


class Rating(NamedTuple):
    """What a user gave an item, from 1 to 5."""

    user: str
    item: str
    stars: int


def ratings(path: Path, between: str, columns: int) -> Iterator[Rating]:
    """The ratings of a file. Raises BenchbenchError for one that is none."""
    for where, (user, item, stars, _) in _rows(path, between, columns):
        if stars not in ("1", "2", "3", "4", "5"):
            raise BenchbenchError(f"{where}: expected a rating from 1 to 5, got {stars!r}")
        yield Rating(user, item, int(stars))


def items(path: Path, between: str, columns: int) -> dict[str, list[str]]:
    """The tokens of each item: itself, its year if the title ends in one, its genres."""
    found = {}
    for where, (item, title, *rest) in _rows(path, between, columns):
        if columns == len(GENRES) + 5:
            flags = rest[3:]
            if set(flags) - {"0", "1"}:
                raise BenchbenchError(f"{where}: expected 19 flags of genres, 0 or 1, got {' '.join(flags)}")
            genres = [genre for genre, flag in zip(GENRES, flags, strict=True) if flag == "1"]
        else:
            genres = rest[0].split("|")
        year = re.search(r"\((\d{4})\)\s*$", title)
        tokens = [f"item:{item}", *([f"year:{year[1]}"] if year else []), *(f"genre:{genre}" for genre in genres)]
        found[item] = tokens
    return found


def users(path: Path, between: str, columns: int) -> dict[str, list[str]]:
    """The tokens of each user: group of age, gender, occupation."""
    found = {}
    for where, (user, *about, _) in _rows(path, between, columns):
        gender, age = sorted(about[:2], key=str.isdecimal)
        if not age.isdecimal() or gender not in ("F", "M"):
            raise BenchbenchError(f"{where}: expected an age and a gender, F or M, got {' and '.join(about[:2])}")
        group = max((least for least in AGES if least <= int(age)), default=AGES[0])
        found[user] = [f"age:{group}", f"gender:{gender}", f"occupation:{about[2]}"]
    return found


def _rows(path: Path, between: str, columns: int) -> Iterator[tuple[str, list[str]]]:
    """Where each line stands, and its cells. The files are in Latin-1."""
    try:
        text = path.read_text("latin-1")
    except OSError as error:
        raise BenchbenchError(f"{path}: cannot be read: {error.strerror or error}") from None
    # Not splitlines: in Latin-1 a letter of a title may be what Unicode calls the end of a line.
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if not line.strip():
            continue
        cells = line.split(between)
        if len(cells) != columns:
            raise BenchbenchError(
                f"{path}: line {number}: expected {columns} columns with {between!r} between them, got {len(cells)}"
            )
        yield f"{path}: line {number}", cells
