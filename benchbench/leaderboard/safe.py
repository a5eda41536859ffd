"""Names and messages from records, which strangers may have written, as text that no other program acts upon."""

from collections.abc import Iterator

import pandas as pd
from pandas.api.types import is_numeric_dtype

#: Rows of a part of a text.
PART = 512
#: What makes a spreadsheet take a cell for a formula (OWASP, "CSV Injection").
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def one_line(value: object) -> str:
    """Text on one line without what steers a terminal, a typesetter or the direction of writing."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())


def as_csv(table: pd.DataFrame) -> str:
    """A table as CSV that is safe to open in a spreadsheet: text that would be a formula gets an apostrophe before it.
    Numbers, negative ones too, stay as they are."""
    return "".join(csv_parts(table))


def csv_parts(table: pd.DataFrame) -> Iterator[str]:
    """`as_csv` in parts of some rows."""
    named = table.rename(columns=_cell)
    for start in range(0, max(1, len(named)), PART):
        safe = named.iloc[start : start + PART].copy()
        for name in safe.columns[[not is_numeric_dtype(kind) for kind in safe.dtypes]]:
            safe[name] = safe[name].map(_cell)
        yield safe.to_csv(index=False, header=not start, lineterminator="\n")


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = "".join(c if c.isprintable() else " " for c in value)
    return f"'{text}" if value.startswith(FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
