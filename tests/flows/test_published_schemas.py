"""What a reader of events is given keeps the schema that is published, whoever reads."""

from collections import Counter
from itertools import chain

import jsonschema
import msgspec
from flask import Flask
from sqlalchemy import select

from karokar.events.base import LATEST
from karokar.events.contracts import schema
from karokar.identity.models import Membership
from karokar.kernel.actor import Actor, Scope
from karokar.kernel.db import db
from karokar.organization.models import Organization
from karokar.outbox.models import EventLog, EventRow
from karokar.outbox.reading.search import see


def readers() -> list[Actor]:
    """Everybody who can read an event of the example data: each organization, each person, the platform."""
    organizations = {one.id: one.type for one in db.session.scalars(select(Organization))}
    of_organizations = [
        Actor(
            organization_id=organization_id,
            organization_type=type_,
            organization_status="ACTIVE",
            permissions={"event.read": Scope.ALL if type_ == "PLATFORM" else Scope.OWN},
        )
        for organization_id, type_ in organizations.items()
    ]
    of_people = [
        Actor(user_id=user_id, organization_id=organization_id, organization_type=organizations[organization_id])
        for user_id, organization_id in db.session.execute(select(Membership.user_id, Membership.organization_id))
    ]
    return [*of_organizations, *of_people]


def test_every_stored_event_keeps_the_published_schema_for_every_reader(any_app: Flask):
    assert any_app.test_cli_runner().invoke(args=["demo", "load"]).exit_code == 0
    rows = db.session.execute(
        select(EventLog.position, EventRow).join(EventRow, EventRow.id == EventLog.event_id)
    ).all()
    for_everybody = {
        name: jsonschema.Draft202012Validator(
            schema.published_schema(class_), format_checker=jsonschema.FormatChecker()
        )
        for name, class_ in LATEST.items()
    }
    given: Counter[str] = Counter()
    problems = []
    for reader in readers():
        for position, row in rows:
            found = see(row, position, reader)
            if found is None:
                continue
            payload = msgspec.json.decode(msgspec.json.encode(found.payload))
            side = None
            if reader.organization_type != "PLATFORM":
                own = str(reader.organization_id)
                side = next((name for name, value in payload.items() if value == own), "")
            its_own = jsonschema.Draft202012Validator(schema.schema_for(LATEST[row.event_type], side))
            errors = chain(for_everybody[row.event_type].iter_errors(payload), its_own.iter_errors(payload))
            problems += [f"{row.event_type} for {side or 'everybody'}: {error.message}" for error in errors]
            given[reader.organization_type or ""] += 1
    assert not problems, Counter(problems).most_common(10)
    assert min(given[type_] for type_ in ("PLATFORM", "VENDOR", "CORPORATE")) > 100
