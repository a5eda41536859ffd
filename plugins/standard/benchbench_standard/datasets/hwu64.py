from collections.abc import Iterator
from pathlib import Path

from benchbench_standard.datasets.labelled_texts import LabelledTexts, Row
from benchbench_standard.datasets.tab_separated import tab_separated


class HWU64(LabelledTexts):
    """HWU64 (Liu, Eshghi, Swietojanski & Rieser 2019, arXiv 1903.05566): 11,036 requests to a home assistant, 64
    intents, each named ``scenario/intent``; the parts of a fold share no scenario.

    Many texts hold words of their label (``alarm/set``: "set an alarm"). No text stands in two classes.
    """

    name = "hwu64"
    licence = "CC BY-SA 3.0"
    citation = "Liu, Eshghi, Swietojanski & Rieser 2019, arXiv 1903.05566"
    homepage = "https://github.com/xliuhw/NLU-Evaluation-Data"
    files = ("text/hwu64.tsv",)
    expects = (
        "text/hwu64.tsv: a line 'intent', tab, 'text', then a row each, such as 'alarm/set', tab, 'wake me at six'"
    )

    def rows(self, root: Path) -> Iterator[Row]:
        """Those of the file."""
        (file,) = self.files
        for number, (intent, text) in tab_separated(root / file, ["intent", "text"]):
            yield Row(text, intent, f"{file}#{number}")
