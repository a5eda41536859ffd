"""Third-party record files: checked as far as possible without training, then added, marked external."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchbench.errors import BenchbenchError
from benchbench.results.consistency import content_faults, key_faults
from benchbench.results.merge import whole_records, write_records
from benchbench.results.plausibility import number_faults
from benchbench.store.records import Record, differences, parse_record


@dataclass
class Submission:
    """The result of checking record files: the records that pass, why others are `refused`, and `notes` for the
    reader."""

    accepted: list[Record] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def submit(paths: Iterable[Path], results: Path) -> Submission:
    """Check the records in `paths` (files, or folders of .jsonl files) and add them to `results` if all pass.

    If any is refused, nothing is written. Raises BenchbenchError for a path that holds no records.
    """
    submission = examine(paths, results)
    if not submission.refused:
        write_records(submission.accepted, results)
    return submission


def examine(paths: Iterable[Path], results: Path) -> Submission:
    """Check the records in `paths`, also against those in `results`, and write nothing. Imports torch."""
    from benchbench.results.recompute import Recomputed

    held = whole_records(results) if results.exists() else []
    found, seen = Submission(), {r.key: (str(results), r) for r in held}
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
        where, other = seen.setdefault(record.key, (place, record))
        if other is not record and (differ := differences(other, record)):
            faults.append(f"{where} holds a record of the same key and another {', '.join(differ)}")
        elif other is not record:
            notes.append(f"{where} holds it already")
        elif not faults:
            found.accepted.append(record)
        versions |= set(_versions(record))
        found.refused += [f"{place}: {fault}" for fault in faults]
        found.notes += [f"{place}: {note}" for note in notes]
    found.notes += sorted(versions)
    return found


def _lines(paths: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """Each line of each file, with its location."""
    for path in paths:
        files = [path] if path.is_file() else sorted(path.rglob("*.jsonl"))
        if not files:
            raise BenchbenchError(f"no records at {path}: expected a .jsonl file, or a folder of such files")
        for file in files:
            try:
                text = file.read_text("utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise BenchbenchError(f"{file}: cannot be read: {error}") from None
            # Split only at line feeds: names may contain Unicode line separators.
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
