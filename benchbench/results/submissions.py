"""Third-party record files: checked as far as possible without training, then added, marked external."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchbench.errors import BenchbenchError
from benchbench.results.consistency import content_faults, key_faults
from benchbench.results.merge import whole_records, write_records
from benchbench.results.plausibility import number_faults
from benchbench.store.lines import lines_of
from benchbench.store.records import Provenance, Record, differences, parse_record


@dataclass
class Submission:
    """The result of checking record files: the records that pass, why others are `refused`, and `notes` for the
    reader."""

    accepted: list[Record] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def submit(paths: Iterable[Path], results: Path, provenance: Provenance | None = None) -> Submission:
    """Check the records in `paths` (files, or folders of .jsonl files) and, if all pass, add them to `results`.

    If one is refused, nothing is written. `provenance` is of the records that have none of their own. Raises
    BenchbenchError for a path that holds no records.
    """
    submission = examine(paths, results, provenance)
    if not submission.refused:
        write_records(submission.accepted, results)
    return submission


def examine(paths: Iterable[Path], results: Path, provenance: Provenance | None = None) -> Submission:
    """Check the records in `paths`, also against those in `results`, and write nothing. Imports torch."""
    from benchbench.results.recompute import Recomputed

    held = whole_records(results) if results.exists() else []
    found, seen = Submission(), {r.key: (str(results), r) for r in held}
    recomputed, versions = Recomputed(), set()
    for place, line in _lines(paths):
        try:
            given = parse_record(line)
        except ValueError as error:
            found.refused.append(f"{place}: {error}")
            continue
        # Whatever a record says of itself: nobody here has vouched for it.
        about = given.provenance or provenance
        record = given.model_copy(update={"origin": "external", "provenance": about})
        faults, notes = content_faults(record), []
        if not faults:
            for check in (key_faults, recomputed.faults):
                wrong, unknown = check(record)
                faults += wrong
                notes += unknown
        faults += number_faults(record)
        if about is None:
            faults.append("it does not say who submits it: --who and --contact say so")
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


def _lines(paths: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    """Each line of each file, with its location."""
    for path in paths:
        files = sorted(path.rglob("*.jsonl")) if path.is_dir() else [path]
        if not files:
            raise BenchbenchError(f"no records at {path}: expected a .jsonl file, or a folder of such files")
        for file in files:
            try:
                yield from ((f"{file}:{number}", line) for number, line in lines_of(file))
            except ValueError as error:
                raise BenchbenchError(f"{file}: {error}") from None


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
