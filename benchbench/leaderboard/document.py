"""Tables as JSON, with the schema ``leaderboard.schema.json`` beside this module."""

import json
import math
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pandas as pd

from benchbench.leaderboard.aggregate import Table
from benchbench.leaderboard.safe import PART

SCHEMA_VERSION = 1
#: The numbers of a score: their name in JSON -> what follows the column's name in `Table.numbers`.
PARTS = {
    "status": " status",
    "mean": "",
    "ci95": " ci95",
    "over": " over",
    "episode_se": " episode se",
    "seed_se": " seed se",
    "seeds": " seeds",
}


def document(table: Table) -> str:
    """The table as JSON: the leaderboard's rows with their scores by column, other rows as they are."""
    return "".join(document_parts(table))


def document_parts(table: Table) -> Iterator[str]:
    """`document` in parts of some rows, since all of a large table take several times the memory of their text."""
    names, end = table.scored, ",\n"
    head = {"schema_version": SCHEMA_VERSION, "title": table.title, **({"columns": names} if names else {})}
    yield _json(head).removesuffix("\n}") + end
    if not len(table.numbers):
        yield ' "rows": []'
    for start in range(0, len(table.numbers), PART):
        rows = _plain_rows(table.numbers.iloc[start : start + PART])
        text = _json({"rows": [_nested(row, names) if names else row for row in rows]})
        body = text.removeprefix('{\n "rows": [\n').removesuffix("\n ]\n}")
        yield (end if start else ' "rows": [\n') + body
    yield ("\n ]" if len(table.numbers) else "") + end + _json({"notes": table.notes}).removeprefix("{\n") + "\n"


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False)


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of what `document` writes."""
    return json.loads(files("benchbench.leaderboard").joinpath("leaderboard.schema.json").read_text("utf-8"))


def plain_rows(table: Table) -> list[dict[str, Any]]:
    """The numbers of a table, one dictionary per row; missing ones are None."""
    return _plain_rows(table.numbers)


def _plain_rows(numbers: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): _plain(v) for k, v in row.items()} for row in numbers.to_dict("records")]


def _nested(row: dict[str, Any], names: list[str]) -> dict[str, Any]:
    scores = {name: {part: row[name + suffix] for part, suffix in PARTS.items()} for name in names}
    flat = {name + suffix for name in names for suffix in PARTS.values()}
    return {k: v for k, v in row.items() if k not in flat} | {"scores": scores}


def _plain(value: Any) -> Any:
    """A value that JSON knows: missing values become null, integers stay integers beside them."""
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return None
    return value
