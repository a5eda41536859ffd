"""What is left of a dataset if some of its data are missing."""

from typing import Any

from benchbench.components.reference import ComponentRef
from benchbench.data.prepare import data_root
from benchbench.errors import DataMissing


def without_missing(ref: ComponentRef) -> tuple[ComponentRef | None, list[tuple[str, str]]]:
    """`ref` without the datasets in its settings whose files are missing, or None if its own files are missing or a
    list of datasets becomes empty. Also what is missing: name, and which files to put where."""
    missing: list[tuple[str, str]] = []
    settings: dict[str, Any] = {}
    for name, value in ref.settings.items():
        settings[name] = value
        if isinstance(value, list) and any(map(_is_dataset, value)):
            parts = [ComponentRef(**part) for part in value]
            found = [without_missing(part) for part in parts]
            missing += [lack for _, lacks in found for lack in lacks]
            settings[name] = [left.model_dump() for left, _ in found if left is not None]
            if not settings[name]:
                return None, missing
    left = ref.model_copy(update={"settings": settings})
    dataset = left.build()
    try:
        dataset.sources(data_root())
    except DataMissing as error:
        where = "" if dataset.homepage in str(error) else f" ({dataset.homepage})"
        return None, [*missing, (ref.bare, f"{error}{where}")]
    return left, missing


def _is_dataset(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == set(ComponentRef.model_fields) and value["kind"] == "dataset"
