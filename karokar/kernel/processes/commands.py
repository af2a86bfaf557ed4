"""Groups of commands, whose arguments arrive in one Unicode form."""

import click
from flask.cli import AppGroup

from karokar.kernel.text.normalization import normal


class Commands(AppGroup):
    """A group of commands of one part: `flask identity …`. What is typed after it is taken in NFC."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the arguments of the group and of its commands."""
        return super().parse_args(ctx, [normal(argument) for argument in args])
