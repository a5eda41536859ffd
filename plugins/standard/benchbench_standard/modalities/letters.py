"""Letters of biological sequences: which say what stands there, and which pair in DNA and RNA."""

from benchbench import HIDDEN, Vocabulary

#: What each letter of DNA or RNA pairs with, the ambiguous ones too: R is A or G, and pairs with Y, C or T
#: (NC-IUB 1984, Cornish-Bowden 1985, table 1).
PAIRS = dict(zip("ACGTURYSWKMBVDHN", "TGCAAYRSWMKVBHDN", strict=True))
BASES = frozenset("ACGTU")
#: Residues that are one of several (B, J, X, Z), gaps and stops.
UNCERTAIN_RESIDUES = frozenset("BJXZ-.*")


def nucleic(vocabulary: Vocabulary) -> bool:
    """Whether a vocabulary is of DNA or RNA: it has letters of these alone, and a base with its partner. Twenty
    residues are not, though A, C, G and T are among them."""
    held = set(vocabulary.ids)
    return held <= set(PAIRS) and any({"C", "G"} <= held or {"A", other} <= held for other in "TU")


def certain(vocabulary: Vocabulary) -> list[int]:
    """The ids of letters that name one base or residue: without N, R and the like in DNA, without X in proteins."""
    if nucleic(vocabulary):
        return [i for text, i in vocabulary.ids.items() if text in BASES]
    return [i for text, i in vocabulary.ids.items() if text not in UNCERTAIN_RESIDUES]


def complements(vocabulary: Vocabulary) -> list[int] | None:
    """For each id that of the letter that it pairs with, `HIDDEN` if the vocabulary lacks that one; None for
    proteins. A pairs with U where there is no T."""
    if not nucleic(vocabulary):
        return None
    pairs = PAIRS if "T" in vocabulary.ids else {**PAIRS, "A": "U"}
    return [vocabulary.ids.get(pairs[text], HIDDEN) if text else i for i, text in enumerate(vocabulary.texts)]
