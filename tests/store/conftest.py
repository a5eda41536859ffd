"""A store with cells done, failed and waiting, and a matrix of tiny trainings."""

from tests.cli.conftest import results  # noqa: F401
from tests.execution.conftest import matrix  # noqa: F401
