"""`flask demo load`."""

import click
from flask import current_app
from sqlalchemy import select

from karokar.demo.story import Story
from karokar.identity.models import User
from karokar.kernel.db import db
from karokar.kernel.processes.commands import Commands

cli = Commands("demo", help="The example data.")


@cli.command("load")
def load() -> None:
    """Load the example data into an empty database; where people are in it already, do nothing."""
    if db.session.scalar(select(User.id).limit(1)) is not None:
        click.echo("There are people in this database already: the example data was not loaded.")
        return
    Story(current_app.config["KAROKAR"]).tell()
    click.echo("The example data is loaded.")
