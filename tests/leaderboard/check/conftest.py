"""Records and folders as those of `tests/results`."""

from tests.results.conftest import make, save  # noqa: F401
