"""What commands that read records say of those that they cannot read."""

from typing import TypeVar

import click

Records = TypeVar("Records")


def warned(found: tuple[Records, list[str]]) -> Records:
    """The records that were found, after a warning for each problem with others."""
    records, problems = found
    for problem in problems:
        click.echo(f"warning: {problem}", err=True)
    return records
