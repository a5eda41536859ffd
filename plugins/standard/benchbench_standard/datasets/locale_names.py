from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from benchbench import (
    ClassSplit,
    DataMissing,
    Dataset,
    Rng,
    Sample,
    SampleTable,
    characters,
)
from benchbench_standard.datasets.tab_separated import tab_separated

FILE = "names/cldr-names.tsv"
#: Shares of the locales of each part; the rest is for testing.
TRAIN, VALID = 0.6, 0.15


class Names(Dataset):
    """Names of languages and territories as locales write them (Unicode CLDR 48), as characters: which locale wrote it?
    One class a locale and script, ``LATIN/de``.

    `scripts`: ``latin``, 149 locales, or ``all``, 241, where the script alone tells most classes apart. The locales of
    a script group, Latin or not, are shuffled once and divided 60/15/25 into train, valid and test. Longer names than
    `length` characters are cut. A label never stands in its name, as a code; the file holds no name that two locales
    share, so no text stands in two classes before the cut.
    """

    modality = "text"
    licence = "Unicode-3.0"
    citation = "Unicode Common Locale Data Repository, version 48"
    homepage = "https://cldr.unicode.org"
    expects = (
        f"{FILE}: a line 'locale', 'script', 'name' with tabs between, then a row each, such as de, LATIN, Deutsch"
    )

    def __init__(
        self,
        *,
        scripts: Literal["latin", "all"] = "latin",
        length: Annotated[int, Field(ge=1, le=4096)] = 24,
    ):
        self.scripts, self.length = scripts, length

    def sources(self, root: Path | None) -> list[Path]:
        """The file of names."""
        if root is None or not (root / FILE).is_file():
            raise DataMissing(f"dataset names: expected below BENCHBENCH_DATA {self.expects}")
        return [root / FILE]

    def samples(self, root: Path | None) -> Iterator[Sample]:
        """Every name of the chosen scripts, in the order of the file."""
        (path,) = self.sources(root)
        for number, (locale, script, name) in tab_separated(path, ["locale", "script", "name"]):
            if self.scripts == "all" or script == "LATIN":
                yield Sample(characters(name), f"{script}/{locale}", f"{FILE}#{number}")

    def split(self, table: SampleTable) -> ClassSplit:
        """By locale. Latin locales are in the same part under both settings of `scripts`."""
        parts: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
        for latin in (True, False):
            group = sorted(name for name in table.class_names if name.startswith("LATIN/") is latin)
            order = Rng("names", "latin" if latin else "others").numpy.permutation(len(group))
            ends = [round(share * len(group)) for share in (TRAIN, TRAIN + VALID)]
            for place, at in enumerate(order):
                parts["train" if place < ends[0] else "valid" if place < ends[1] else "test"].append(group[at])
        return ClassSplit.by_name(table.class_names, parts, "dataset names")
