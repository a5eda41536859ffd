"""What tests of several subjects share."""

import pytest
from hypothesis import settings

# How long an example takes tells of the machine's load, not of the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture
def command(capsys):
    """Run ``benchbench ARGUMENTS`` in this process: exit code, standard output, standard error."""
    from benchbench.cli import main

    def run(*arguments: object) -> tuple[int, str, str]:
        code = 0
        try:
            main([str(a) for a in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capsys.readouterr()

    return run
