"""Is a prepared dataset still what was prepared, and is anything in it twice?"""

import hashlib
import json
from dataclasses import dataclass

import numpy as np

from benchbench.data import digests as sources
from benchbench.data.duplicates import Duplicates, duplicates
from benchbench.data.prepare import Prepared, data_root

BLOCK = 1 << 24


@dataclass(frozen=True)
class Verified:
    """Source files that changed, appeared or disappeared since the table was made, whether its pixels are as written,
    and its duplicates."""

    changed: tuple[str, ...]
    added: tuple[str, ...]
    gone: tuple[str, ...]
    pixels: bool
    duplicates: Duplicates

    @property
    def sound(self) -> bool:
        """Whether files and pixels are unchanged; duplicates are the dataset's own affair."""
        return self.pixels and not (self.changed or self.added or self.gone)


def verify(data: Prepared) -> Verified:
    """Read every source file and every sample again. Raises DataMissing if the files are gone."""
    kept = data.table.source_digests
    found = sources.digests(data.dataset.sources(data_root()), data_root())
    return Verified(
        changed=tuple(name for name in found if name in kept and kept[name] != found[name]),
        added=tuple(name for name in found if name not in kept),
        gone=tuple(name for name in kept if name not in found),
        pixels=_pixel_hash(data) == data.table.pixel_hash,
        duplicates=duplicates(data),
    )


def _pixel_hash(data: Prepared) -> str:
    digest, raw = hashlib.sha256(), data.table.x.reshape(-1).view(np.uint8)
    for start in range(0, len(raw), BLOCK):
        digest.update(raw[start : start + BLOCK])
    if data.table.tokens:
        digest.update(json.dumps(data.table.tokens).encode())
    return digest.hexdigest()
