import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from benchbench import BenchbenchError, ClassSplit, SampleTable, read_text, tasks_folder
from benchbench_standard.datasets.labelled_texts import LabelledTexts, Row

PARTS = ("train", "val", "test")


class Clinc(LabelledTexts):
    """CLINC150 (Larson et al. 2019, arXiv 1909.02027): 22,500 requests to an assistant, 150 intents of ten domains,
    each named ``domain/intent``; the authors' three parts alike, without what is out of scope.

    `split`: ``fold`` divides intents at random (ProtAugment), so that every domain stands in every part; ``domain``
    divides domains: five for training (banking, credit_cards, work, small_talk, meta), two for validation (travel,
    utility), three for testing (kitchen_and_dining, home, auto_and_commute).

    Many texts hold words of their label (``recipe``, ``translate``). A few texts stand in two classes, as published:
    they stay, and `data verify` counts them.
    """

    name = "clinc"
    split_settings = frozenset({"fold", "split"})
    synonyms = ("clinc150", "oos")
    licence = "CC BY 3.0"
    citation = "Larson et al. 2019, EMNLP, arXiv 1909.02027"
    homepage = "https://github.com/clinc/oos-eval"
    files = ("text/clinc150/data_full.json", "text/clinc150/domains.json")
    expects = "text/clinc150/data_full.json and domains.json, the authors' files"

    def __init__(self, *, split: Literal["fold", "domain"] = "fold", **settings: Any):
        super().__init__(**settings)
        self.by = split

    def rows(self, root: Path) -> Iterator[Row]:
        """Those of the authors' train, val and test, in this order."""
        full, domains = (root / file for file in self.files)
        try:
            of = {intent: domain for domain, held in _content(domains).items() for intent in held}
            content = _content(full)
            listed = [(part, i, *row) for part in PARTS for i, row in enumerate(content[part])]
            rows = [
                Row(text, f"{of[intent]}/{intent}", f"{self.files[0]}#{part}/{i}") for part, i, text, intent in listed
            ]
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            said = f"{type(error).__name__}: {error}"
            raise self.fault(
                full, f"the lists train, val and test of [text, intent], intents as in {domains} ({said})"
            ) from None
        yield from rows

    def split(self, table: SampleTable) -> ClassSplit:
        """The chosen fold, or the domains."""
        if self.by == "fold":
            return super().split(table)
        content = json.loads((tasks_folder() / "splits" / "clinc-domains.json").read_text("utf-8"))
        part_of = {domain: part for part in ("train", "valid", "test") for domain in content[part]}
        parts: dict[str, list[str]] = {part: [] for part in ("train", "valid", "test")}
        for name in table.class_names:
            domain = name.split("/")[0]
            if domain not in part_of:
                raise BenchbenchError(f"dataset clinc: split file clinc-domains.json has no domain {domain!r}")
            parts[part_of[domain]].append(name)
        return ClassSplit.by_name(table.class_names, parts, "split file clinc-domains.json")


def _content(path: Path) -> Any:
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise BenchbenchError(f"{path}: no JSON: {error}") from None
