"""Texts as tokens, for datasets and for users' own texts. Nothing is learnt from data here: vocabularies are."""

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[^\w\s]|_")


def words(text: str) -> list[str]:
    """The words of a text, without case, and its marks of punctuation, each a token. Unicode's composed form (NFC)."""
    return _WORD.findall(unicodedata.normalize("NFC", text).casefold())


def characters(text: str) -> list[str]:
    """The characters of a text as they are, in Unicode's composed form (NFC)."""
    return list(unicodedata.normalize("NFC", text))
