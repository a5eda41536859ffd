"""Features of a user's own samples."""

import csv
import io
from pathlib import Path

import numpy as np

from benchbench.data.modality import modality_named
from benchbench.export.encoder import Encoder
from benchbench.store.files import atomic_write
from benchbench.userfiles import check_file_name


def embed_found(encoder: Encoder, place: Path, output: Path) -> int:
    """Write features (N, dim) and the names (N,) of a user's own samples at a place, as the encoder's modality finds
    them (images below a folder, lines of a text file), to an ``.npz`` (arrays ``features`` and ``files``) or a ``.csv``
    file; returns how many. Raises BenchbenchError if there are none, or one cannot be read."""
    names, batches = modality_named(encoder.sample.modality).found(place, encoder.sample)
    for name in names:
        check_file_name(name, "embed")
    features = np.concatenate([encoder.embed(x).numpy() for x in batches])
    if output.suffix == ".npz":
        held = io.BytesIO()
        np.savez(held, features=features, files=np.array(names))
        atomic_write(output, held.getvalue())
    else:
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["file", *(f"feature {i}" for i in range(features.shape[1]))])
        rows.writerows([name, *map(float, row)] for name, row in zip(names, features, strict=True))
        atomic_write(output, text.getvalue().encode())
    return len(names)
