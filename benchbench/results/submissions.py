"""Third-party record files: checked for all that can be checked without training, then taken in, marked external."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchbench.errors import BenchbenchError
from benchbench.records import Record, differences, parse_record
from benchbench.results.content import content_faults, key_faults
from benchbench.results.merge import whole_records, write_records
from benchbench.results.plausibility import number_faults


@dataclass
class Submission:
    """What became of record files: the records that pass, why others are `refused`, and what a reader should know."""

    accepted: list[Record] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def submit(paths: Iterable[Path], results: Path) -> Submission:
    """Check the records in `paths` (files, or folders of .jsonl files) and add them to `results` where all pass.

    Where one is refused nothing is written. Raises BenchbenchError for a path that holds no records.
    """
    submission = examine(paths, results)
    if not submission.refused:
        write_records(submission.accepted, results)
    return submission


def examine(paths: Iterable[Path], results: Path) -> Submission:
    """Check the records in `paths`, and against those that `results` holds; write nothing. Imports torch."""
    from benchbench.results.recompute import Recomputed

    held = {r.key: r for r in whole_records(results)} if results.exists() else {}
    found = Submission()
    places: dict[str, tuple[str, Record]] = {}
    recomputed, versions = Recomputed(), set()
    for place, line in _lines(paths):
        try:
            record = parse_record(line).model_copy(update={"external": True})
        except ValueError as error:
            found.refused.append(f"{place}: {error}")
            continue
        faults, notes = content_faults(record), []
        if not faults:
            for check in (key_faults, recomputed.faults):
                wrong, unknown = check(record)
                faults += wrong
                notes += unknown
        faults += number_faults(record)
        if record.key in places and (differ := differences(places[record.key][1], record)):
            faults.append(f"{places[record.key][0]} has the same key and another {', '.join(differ)}")
        if record.key in held and (differ := differences(held[record.key], record)):
            faults.append(f"{results} holds a record of the same key and another {', '.join(differ)}")
        versions |= set(_versions(record))
        found.refused += [f"{place}: {fault}" for fault in faults]
        found.notes += [f"{place}: {note}" for note in notes]
        if record.key in held or record.key in places:
            found.notes.append(f"{place}: is there already")
        elif not faults:
            found.accepted.append(record)
        places.setdefault(record.key, (place, record))
    found.notes += sorted(versions)
    return found


def _lines(paths: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """Each line of each file with where it stands."""
    for path in paths:
        files = [path] if path.is_file() else sorted(path.rglob("*.jsonl"))
        if not files:
            raise BenchbenchError(f"no records at {path}: expected a .jsonl file, or a folder of such files")
        for file in files:
            try:
                text = file.read_text("utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise BenchbenchError(f"{file}: cannot be read: {error}") from None
            # Split at line feeds alone: names may hold what Unicode calls a line separator.
            for number, line in enumerate(text.split("\n"), 1):
                if line.strip():
                    yield f"{file}:{number}", line


def _versions(record: Record) -> Iterator[str]:
    """How the distributions behind a record differ from those installed."""
    distributions = record.environment.get("distributions")
    if not isinstance(distributions, dict):
        yield "some records do not say which distributions they were made with"
        return
    for name, recorded in distributions.items():
        try:
            installed = version(name)
        except (PackageNotFoundError, ValueError):
            yield f"plugin {name} {recorded} is not installed"
        else:
            if installed != recorded:
                yield f"plugin {name} was version {recorded}, installed is {installed}"
