"""The catalog of events: what each tells, in which shape, who sees it and who reacts."""

from itertools import groupby
from typing import Any

import msgspec
from flask import render_template

from karokar.administration.permissions import EVENT_READ
from karokar.administration.views.blueprint import bp
from karokar.events.base import LATEST
from karokar.events.contracts.catalog_page import audience_in_words, seen_by
from karokar.events.contracts.lock import locked_contract
from karokar.events.contracts.schema import Contract, contract_of, contracts
from karokar.events.contracts.visibility import sees_everything
from karokar.events.handlers import HANDLERS
from karokar.kernel.actor import current_actor
from karokar.kernel.errors import NotFound
from karokar.kernel.permissions import requires


@bp.get("/catalog")
@requires(EVENT_READ)
def catalog() -> str:
    """List every event that the person's organization could see, by who tells it."""
    listed = sorted((one for one in contracts() if _concerns_viewer(one)), key=lambda one: (one.producer, one.name))
    producers = [(name, list(group)) for name, group in groupby(listed, key=lambda one: one.producer)]
    return render_template(
        "administration/catalog.html",
        producers=producers,
        count=len(listed),
        audience=audience_in_words,
        is_operator=sees_everything(current_actor()),
    )


@bp.get("/catalog/<name>")
@requires(EVENT_READ)
def catalog_entry(name: str) -> str:
    """Show one event's contract: fields, audience, JSON Schema, earlier versions, handlers."""
    class_ = LATEST.get(name)
    contract = contract_of(class_) if class_ is not None else None
    if contract is None or not _concerns_viewer(contract):
        raise NotFound("event")
    return render_template(
        "administration/catalog_entry.html",
        contract=contract,
        schema=msgspec.json.format(msgspec.json.encode(contract.schema), indent=2).decode(),
        audience=audience_in_words(contract),
        seen_by=seen_by,
        reactions=_reactions(name),
        versions=_versions(name),
        is_operator=sees_everything(current_actor()),
    )


def _concerns_viewer(contract: Contract) -> bool:
    """Whether the viewer could ever see such an event: the catalog tells tenants nothing of the platform's own."""
    return contract.audience != () or sees_everything(current_actor())


def _reactions(name: str) -> list[Any]:
    return sorted((one for one in HANDLERS.values() if name in one.event_types()), key=lambda one: one.name)


def _versions(name: str) -> list[int]:
    return sorted(map(int, locked_contract().get(name, {})))
