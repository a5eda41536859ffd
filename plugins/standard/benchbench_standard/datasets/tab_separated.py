"""Tables of tabs: no quotes, no escapes."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchbench import BenchbenchError, read_text


def tab_separated(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """The number of each line behind the header, and its cells. Raises BenchbenchError for another header, and for a
    line with another number of cells or an empty one."""
    header, *lines = read_text(path).split("\n")
    expected = ", tab, ".join(columns)
    if header.rstrip("\r").split("\t") != [*columns]:
        raise BenchbenchError(f"{path}: expected a first line {expected}, got {header!r:.60}")
    for number, line in enumerate(lines, 2):
        cells = line.rstrip("\r").split("\t")
        if cells == [""]:
            continue
        if len(cells) != len(columns) or not all(cell.strip() for cell in cells):
            raise BenchbenchError(f"{path}: line {number}: expected {expected}, got {line!r:.60}")
        yield number, cells
