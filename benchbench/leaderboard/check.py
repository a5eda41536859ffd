"""Whether committed tables are those that their records give: regenerated and compared, cell by cell."""

import csv
import json
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchbench.errors import BenchbenchError
from benchbench.leaderboard.aggregate import Columns
from benchbench.leaderboard.render import write_leaderboard
from benchbench.store import read_records

#: Folders of a store that hold no rendered file.
STORE = {"records", "checkpoints", "logs", "locks", "plans", "progress"}
#: Columns that say which row it is; together they name it.
NAMING = {"method", "pretext", "meta", "backbone", "regime", "source", "variant", "target", "protocol", "axis", "value"}
#: Differences named of one file.
SHOWN = 20

Rows = list[list[str]]


def check(results: Path, folder: Path, columns: Columns | None = None) -> list[str]:
    """What in `folder` differs from the files that the records of `results` give, one message each; empty where all is
    as it must be.

    In tables the row and column are named, elsewhere the lines. Files that are missing, or that no rendering writes,
    are named too, and records that cannot be read: what is left out of a table is not proven. Raises BenchbenchError
    where there are no records.
    """
    records, found = read_records(results)
    if not records:
        raise BenchbenchError(f"no records in {results}: there is nothing to check tables against")
    with TemporaryDirectory() as name:
        fresh = Path(name)
        written = {path.relative_to(fresh) for path in write_leaderboard(records, fresh, columns)}
        for path in sorted(written | _committed(folder)):
            if path not in written:
                found.append(f"{folder / path}: no rendering of these records writes it")
            elif not (folder / path).is_file():
                found.append(f"{folder / path}: is missing")
            elif (old := (folder / path).read_bytes()) != (new := (fresh / path).read_bytes()):
                found += _shown(folder / path, list(_differences(path.suffix, old, new)))
    return found


def _committed(folder: Path) -> set[Path]:
    files = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    return {p for p in files if p.parts[0] not in STORE and p.name != "README.md" and not p.name.startswith(".")}


def _shown(path: Path, messages: list[str]) -> list[str]:
    more = [f"and {len(messages) - SHOWN} more"] if len(messages) > SHOWN else []
    return [f"{path}: {message}" for message in (messages[:SHOWN] or ["its bytes differ"]) + more]


def _differences(suffix: str, old: bytes, new: bytes) -> Iterator[str]:
    try:
        texts = old.decode(), new.decode()
    except UnicodeDecodeError:
        return
    if suffix == ".csv":
        yield from _tables(*([row for row in csv.reader(t.splitlines()) if row] for t in texts))
    elif suffix == ".json":
        yield from _json(*texts)
    elif suffix == ".md":
        yield from _markdown(*texts)
    else:
        yield from _lines(*(t.splitlines() for t in texts))


def _markdown(old: str, new: str) -> Iterator[str]:
    (old_tables, old_lines), (new_tables, new_lines) = _parts(old), _parts(new)
    if len(old_tables) != len(new_tables):
        yield f"{len(old_tables)} tables are committed, {len(new_tables)} regenerated"
    for a, b in zip(old_tables, new_tables, strict=False):
        yield from _tables(a, b)
    yield from _lines(old_lines, new_lines)


def _parts(text: str) -> tuple[list[Rows], list[str]]:
    """The tables of a Markdown text and its other lines."""
    tables: list[Rows] = []
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        if line.startswith("|"):
            if not inside:
                tables.append([])
            tables[-1].append([cell.strip() for cell in line.strip().strip("|").split(" |")])
        else:
            lines.append(line)
        inside = line.startswith("|")
    return tables, lines


def _tables(old: Rows, new: Rows) -> Iterator[str]:
    committed, columns = old[0] if old else [], new[0] if new else []
    if committed != columns:
        for state, ones, others in (("committed", committed, columns), ("regenerated", columns, committed)):
            if only := [c for c in ones if c not in others]:
                yield f"columns that are only {state}: {', '.join(only)}"
        if sorted(committed) == sorted(columns):
            yield "the columns stand in another order"
        return
    first, second = _named(old), _named(new)
    for name in second:
        if name not in first:
            yield f"row {name!r} is missing"
            continue
        cells = zip(columns, _padded(first[name], columns), _padded(second[name], columns), strict=False)
        for column, a, b in cells:
            if a != b:
                yield f"row {name!r}, column {column!r}: committed {a}, regenerated {b}"
    yield from (f"row {name!r} is in no record" for name in first if name not in second)
    if first.keys() == second.keys() and list(first) != list(second):
        yield "the rows stand in another order"


def _named(rows: Rows) -> dict[str, list[str]]:
    """Rows by name; what names several is numbered."""
    naming = [i for i, column in enumerate(rows[0]) if column in NAMING] or [0]
    found: dict[str, list[str]] = {}
    for row in rows[1:]:
        name = base = ", ".join(row[i] for i in naming if i < len(row) and row[i] not in ("", "–"))
        number = 1
        while name in found:
            number += 1
            name = f"{base} ({number})"
        found[name] = row
    return found


def _padded(row: list[str], columns: list[str]) -> list[str]:
    return row + [""] * (len(columns) - len(row))


def _json(old: str, new: str) -> Iterator[str]:
    try:
        committed = json.loads(old)
    except ValueError:
        yield "is no JSON"
        return
    yield from _values(committed, json.loads(new), "")


def _values(old: Any, new: Any, where: str) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _values(old.get(key, "nothing"), new.get(key, "nothing"), f"{where}.{key}" if where else key)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for i, (a, b) in enumerate(zip(old, new, strict=True)):
            yield from _values(a, b, f"{where}.{i}")
    elif old != new:
        yield f"{where or 'value'}: committed {_short(old)}, regenerated {_short(new)}"


def _lines(old: list[str], new: list[str]) -> Iterator[str]:
    for line in unified_diff(old, new, "committed", "regenerated", n=0, lineterm=""):
        if not line.startswith(("---", "+++", "@@")):
            yield f"{'committed' if line[0] == '-' else 'regenerated'} {_short(line[1:])}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 160 else f"{text[:120]} ... ({len(text):,} characters)"
