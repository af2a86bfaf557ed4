"""`flask audit`: seal the chain now, sign how far it is, and prove that nothing was changed."""

import sys
from typing import TextIO

import click
from flask.cli import AppGroup

from karokar.audit import actions, queries
from karokar.audit.rules import Finding
from karokar.kernel.settings import settings

cli = AppGroup("audit", help="The audit log's chain: seal it, sign checkpoints of it, verify it.")


@cli.command("seal")
def seal() -> None:
    """Seal what can be sealed now; the relay does so every few seconds."""
    count = actions.seal_chain()
    click.echo(f"Sealed {count} records, up to position {queries.newest_seal()}.")


@cli.command("checkpoint")
def checkpoint() -> None:
    """Print the newest signed checkpoint, after writing one for what was sealed since; keep it outside this machine."""
    made = actions.write_checkpoint() or actions.newest_checkpoint()
    if made is None:
        raise click.ClickException("Nothing is sealed yet.")
    click.echo(made.as_line())


@cli.command("verify")
@click.option("--against-log", is_flag=True, help="Compare each record with its event, too.")
@click.option(
    "--from",
    "checkpoints",
    type=click.File("r", encoding="utf-8"),
    help="Compare the chain with the checkpoints of this file, one a line (- for standard input). "
    "By default those that this installation wrote.",
)
def verify(*, against_log: bool, checkpoints: TextIO | None) -> None:
    """Recompute every hash and link, and compare them with signed checkpoints.

    Names the first bad position, and exits with 1 where something was tampered with.
    """
    finding = _compare(checkpoints) or queries.verify()
    if finding is None and against_log:
        finding = actions.compare_with_log()
    if finding is not None:
        click.echo(f"Position {finding.position}: {finding.problem}", err=True)
        sys.exit(1)
    status = queries.chain_status()
    waiting = status.newest_record - status.newest_seal
    click.echo(
        f"The audit log is whole: sealed up to position {status.newest_seal}"
        + (f", {waiting} waiting for their seal." if waiting > 0 else ".")
    )


def _compare(given: TextIO | None) -> Finding | None:
    try:
        if given is not None:
            return actions.contradiction(actions.read_checkpoints(given))
        path = settings().audit_checkpoints
        if not path.exists():
            return None
        with path.open(encoding="utf-8") as kept:
            return actions.contradiction(actions.read_checkpoints(kept))
    except ValueError as error:
        raise click.ClickException(f"{error} Give the file that KAROKAR_AUDIT_CHECKPOINTS names.") from error
