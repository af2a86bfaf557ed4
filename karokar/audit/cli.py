"""`flask audit`: seal the chain now, and prove that nothing was changed."""

import sys

import click

from karokar.audit import actions, queries
from karokar.kernel.commands import Commands

cli = Commands("audit", help="The audit log's chain: seal it, verify it.")


@cli.command("seal")
def seal() -> None:
    """Seal what can be sealed now; the relay does it by itself every few seconds."""
    count = actions.seal_chain()
    click.echo(f"Sealed {count} records, up to position {queries.newest_seal()}.")


@cli.command("verify")
@click.option("--against-log", is_flag=True, help="Compare each record with its event, too.")
def verify(*, against_log: bool) -> None:
    """Recompute every hash and link; name the first bad position and exit with 1 where something was tampered with."""
    finding = queries.verify()
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
