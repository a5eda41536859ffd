"""The targets and encoders of the room that protocols belong to."""

from tests.evaluation.conftest import digits, pixels, prepared_digits, small, target, vectors  # noqa: F401
