"""What organization offers to shared pages."""

from collections.abc import Collection, Mapping
from uuid import UUID

from karokar.kernel.ports import Console, Entry
from karokar.organization import queries


def _names(ids: Collection[UUID]) -> Mapping[UUID, str]:
    return {id_: facts.name for id_, facts in queries.organizations(ids).items()}


CONSOLE = Console(
    navigation=(
        Entry(
            label="Organization",
            icon="building",
            endpoint="organization.own",
            group="Organization",
            place=20,
            permission="organization.read",
            key="o",
            types=("VENDOR", "CORPORATE"),
        ),
        Entry(
            label="Organizations",
            icon="building-community",
            endpoint="organization.index",
            group="Platform",
            place=20,
            permission="organization.approve",
        ),
    ),
    pages={"organization": "organization.show"},
    names={"Organization": _names},
    producers={"organization": "Organizations"},
    waiting=queries.list_waiting_for,
    search=queries.search,
)
