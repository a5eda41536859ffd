from collections.abc import Iterator
from pathlib import Path

from benchbench import read_table
from benchbench_standard.datasets.labelled_texts import LabelledTexts, Row


class Banking(LabelledTexts):
    """BANKING77 (Casanueva et al. 2020, arXiv 2003.04807): 13,083 questions of a bank's customers, 77 intents; its
    train and test files alike. The domain is one, so classes differ finely.

    A label is the authors' name of the intent, and its words often stand in the text (``card_arrival``: "when will my
    card arrive"): labels are no input, but a sharp class name makes sharp texts. No text stands in two classes.
    """

    name = "banking"
    synonyms = ("banking77",)
    licence = "CC BY 4.0"
    citation = "Casanueva, Temčinas, Gerz, Henderson & Vulić 2020, arXiv 2003.04807"
    homepage = "https://github.com/PolyAI-LDN/task-specific-datasets"
    files = ("text/banking77/train.csv", "text/banking77/test.csv")
    expects = "text/banking77/train.csv and test.csv, the authors' files, with columns text and category"

    def rows(self, root: Path) -> Iterator[Row]:
        """Those of train.csv, then those of test.csv."""
        for file in self.files:
            for number, row in enumerate(read_table(root / file, ["text", "category"]), 1):
                yield Row(row["text"], row["category"], f"{file}#{number}")
