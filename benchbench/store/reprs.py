"""What a notebook or a prompt shows of an object: one line, or a few words of HTML."""

from html import escape

#: Most characters of either.
MOST = 280


def brief(text: str) -> str:
    """A text on one line of at most `MOST` characters."""
    line = " ".join(text.split())
    return line if len(line) <= MOST else f"{line[: MOST - 1]}…"


def as_html(name: str, text: str) -> str:
    """The same as HTML, `name` in bold. Names come from anybody's plugin: they are escaped, and cut before that."""
    kept = brief(text)
    while len(found := f"<b>{escape(name)}</b> {escape(kept, quote=False)}") > MOST:
        kept = f"{kept[:-12]}…"
    return found
