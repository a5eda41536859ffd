"""Keys: SHA-256 of canonical JSON. The same content has the same key on every machine."""

import hashlib
import json
from typing import Any

#: Made once: a large plan hashes hundreds of thousands of contents.
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical(content: Any) -> str:
    """JSON with sorted keys and no spaces; raises ValueError for NaN and infinities."""
    return _ENCODER.encode(content)


def content_key(content: Any) -> str:
    """The hexadecimal SHA-256 of `content`'s canonical JSON."""
    return hashlib.sha256(canonical(content).encode()).hexdigest()
