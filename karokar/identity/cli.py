"""`flask identity …`: the first administrator of an installation, and tokens for programs."""

from dataclasses import replace

import click

from karokar.identity import actions, queries, rules
from karokar.kernel.actor import SYSTEM, Actor, acting_as
from karokar.kernel.errors import DomainError
from karokar.kernel.permissions import matrix_page
from karokar.kernel.processes.commands import Commands
from karokar.kernel.text.normalization import same_key
from karokar.organization import facts as organization

cli = Commands("identity", help="People and their ways in.")


@cli.command("create-platform-admin")
@click.option("--email", prompt="E-mail address")
@click.option("--first-name", prompt="First name")
@click.option("--last-name", prompt="Last name")
@click.option(
    "--link", is_flag=True, help="Print a link with which they choose their password, instead of asking for one."
)
def create_platform_admin(email: str, first_name: str, last_name: str, link: bool) -> None:  # noqa: FBT001 - an option
    """Make an administrator of the platform. They set up their second factor when they first sign in."""
    password = None if link else click.prompt("Password", hide_input=True, confirmation_prompt=True)
    try:
        membership_id = actions.create_platform_admin(
            email=email, first_name=first_name, last_name=last_name, password=password
        )
    except DomainError as error:
        raise click.ClickException(error.sentence) from error
    if link:
        click.echo(f"Open within {rules.INVITATION_DAYS} days: {queries.sign_in_link('invitation', membership_id)}")
    else:
        click.echo(f"{email} can sign in now, and sets up the second factor then.")


@cli.command("permissions")
def permissions() -> None:
    """Print the permission matrix, as docs/access.md has it."""
    click.echo(matrix_page(), nl=False)


@cli.command("renew-seals")
def renew_seals() -> None:
    """Encrypt anew, with today's secret key, what a former one encrypted; the relay does so every hour."""
    click.echo(f"Encrypted anew: {actions.renew_seals()}.")


@cli.command("create-token")
@click.argument("email")
@click.option("--name", default="Made on the command line", show_default=True)
@click.option(
    "--organization", "organization_name", default="", help="Needed for who belongs to several organizations."
)
@click.option(
    "--permission", "permissions", multiple=True, help="Give it several times. Without any: all that end in .read."
)
@click.option("--days", type=click.Choice([str(days) for days in rules.TOKEN_DAYS]), default="90", show_default=True)
def create_token(email: str, name: str, organization_name: str, permissions: tuple[str, ...], days: str) -> None:
    """Make an API token for a person, and print it. It is shown this once."""
    actor = _actor_of(email, organization_name)
    wanted = permissions or tuple(code for code in actor.permissions if code.endswith(".read"))
    try:
        with acting_as(actor):
            token = actions.create_token(name=name, permissions=wanted, days=int(days))
    except DomainError as error:
        raise click.ClickException(error.sentence) from error
    click.echo(token.secret)


def _actor_of(email: str, organization_name: str) -> Actor:
    person = queries.find_person_by_email(email)
    if person is None:
        raise click.ClickException(f"Nobody has the address {email}.")
    memberships = queries.list_memberships_of(person.id)
    names = organization.organizations([member.organization_id for member in memberships])
    found = [
        member
        for member in memberships
        if not organization_name or same_key(names[member.organization_id].name) == same_key(organization_name)
    ]
    if len(found) != 1:
        known = ", ".join(sorted(facts.name for facts in names.values())) or "none"
        raise click.ClickException(f"Say with --organization for which of these: {known}.")
    member = found[0]
    held = {right.code: right.scope for right in queries.effective_rights(person.id, member.organization_id)}
    facts = names[member.organization_id]
    return replace(
        SYSTEM,
        is_system=False,
        user_id=person.id,
        name=person.name,
        role=member.role,
        organization_id=facts.id,
        organization_type=facts.type,
        organization_status=facts.status,
        organization_name=facts.name,
        permissions={code: scope for code, scope in held.items() if scope is not None},
    )
