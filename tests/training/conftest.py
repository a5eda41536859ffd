"""The tiny encoder that pretexts are tested on."""

from tests.standard.pretexts.conftest import encoder  # noqa: F401
