"""How much one person, one organization or one recipient may take of what all share: the one list of limits.

`quotas` counts what changes something, `karokar.web.requests.limits` requests that change nothing. The table in
docs/operations.md is held against this list by a test.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

MEGABYTE = 1024 * 1024
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MONTH = timedelta(days=30)


class Counted(StrEnum):
    """By what a limit is counted."""

    ROWS = "rows of the thing itself"
    USES = "uses, kept in the database"
    REQUESTS = "requests, in Redis and in each process"


@dataclass(frozen=True, kw_only=True)
class Limit:
    """At most `most` of `what` at once, or within `period`, for each `per`.

    `sentence` is what somebody reads who reaches it, with {used}, {most} and, for a period, {wait}. `beyond` says for
    the documentation what becomes of more than that. One `unit` is so many of what is counted (bytes in a megabyte).
    """

    name: str
    what: str
    per: str
    most: int
    counted: Counted
    beyond: str = "refused"
    sentence: str = ""
    period: timedelta | None = None
    unit: int = 1
    code: str = "LIMIT_REACHED"


RUNS_OF_PERSON = Limit(
    name="runs-person",
    what="runs (imports, exports, changes to many rows) that have not ended",
    per="person and organization",
    most=10,
    counted=Counted.ROWS,
    sentence=(
        "You have {used} runs that have not ended, and {most} is the limit. Wait until one has ended, or stop one "
        "on the Runs page, then try again."
    ),
)
RUNS_OF_ORGANIZATION = Limit(
    name="runs-organization",
    what="runs that have not ended",
    per="organization",
    most=50,
    counted=Counted.ROWS,
    sentence=(
        "Your organization has {used} runs that have not ended, and {most} is the limit. Wait until one has ended, "
        "then try again."
    ),
)
IMPORT_FILES_OF_PERSON = Limit(
    name="import-files-person",
    what="files that are checked and not imported",
    per="person and organization",
    most=20,
    counted=Counted.ROWS,
    sentence=(
        "You have {used} files that are waiting to be imported, and {most} is the limit. Import one of them first; "
        "a file that is not imported is removed after 7 days."
    ),
)
IMPORT_FILES_OF_ORGANIZATION = Limit(
    name="import-files-organization",
    what="files that are checked and not imported",
    per="organization",
    most=100,
    counted=Counted.ROWS,
    sentence=(
        "Your organization has {used} files that are waiting to be imported, and {most} is the limit. Import one of"
        " them first; a file that is not imported is removed after 7 days."
    ),
)
EXPORTS_OF_PERSON = Limit(
    name="exports-person",
    what="exports",
    per="person",
    most=30,
    period=MINUTE,
    counted=Counted.REQUESTS,
    sentence="You started {used} exports within a minute, and {most} is the limit. You can export again in {wait}.",
)
SEARCHES_OF_PERSON = Limit(
    name="searches-person",
    what="searches",
    per="person",
    most=240,
    period=MINUTE,
    counted=Counted.REQUESTS,
    sentence="You searched {used} times within a minute, and {most} is the limit. You can search again in {wait}.",
)
INVITATIONS_OF_ORGANIZATION = Limit(
    name="invitations-organization",
    what="invitations sent, and sent again",
    per="organization",
    most=2000,
    period=DAY,
    counted=Counted.USES,
    sentence=(
        "Your organization sent {used} invitations in the last 24 hours, and {most} is the limit. You can send the "
        "next one in {wait}."
    ),
)
OPEN_INVITATIONS_OF_ORGANIZATION = Limit(
    name="open-invitations-organization",
    what="invitations that nobody has accepted",
    per="organization",
    most=5000,
    counted=Counted.ROWS,
    sentence=(
        "Your organization has {used} invitations that nobody has accepted, and {most} is the limit. Withdraw those"
        " that are no longer needed, then try again."
    ),
)
INVITATIONS_OF_ORGANIZATION_TO_ADDRESS = Limit(
    name="invitations-organization-address",
    what="invitations sent, and sent again, by one organization",
    per="email address",
    most=5,
    period=DAY,
    counted=Counted.USES,
    sentence=(
        "Your organization sent {used} invitations to this address in the last 24 hours, and {most} is the limit. "
        "You can send the next one in {wait}."
    ),
)
INVITATIONS_TO_ADDRESS = Limit(
    name="invitations-address",
    what="invitations sent, and sent again, by all organizations",
    per="email address",
    most=10,
    period=DAY,
    counted=Counted.USES,
    sentence="No more invitations can be sent to this address for now. You can send one in {wait}.",
)
RESETS_OF_ADDRESS = Limit(
    name="resets-address",
    what="mails with a link for a new password",
    per="account",
    most=10,
    period=DAY,
    counted=Counted.USES,
    beyond="the answer is the same, and no further mail is sent",
)
MAILS_AN_HOUR = Limit(
    name="mails-recipient-hour",
    what="mails, except those about the account and its security",
    per="recipient",
    most=60,
    period=HOUR,
    counted=Counted.ROWS,
    beyond="held back and sent later",
    sentence="Held back: {most} mails were sent to this person within an hour, which is the limit. It is sent later.",
)
MAILS_A_DAY = Limit(
    name="mails-recipient-day",
    what="mails, except those about the account and its security",
    per="recipient",
    most=300,
    period=DAY,
    counted=Counted.ROWS,
    beyond="held back and sent later",
    sentence="Held back: {most} mails were sent to this person within a day, which is the limit. It is sent later.",
)
TOKENS_OF_PERSON = Limit(
    name="tokens-person",
    what="API tokens that work",
    per="person",
    most=20,
    counted=Counted.ROWS,
    sentence=(
        "You have {used} tokens that work, and {most} is the limit. Revoke one that is no longer needed, then make "
        "a new one."
    ),
    code="TOO_MANY_TOKENS",
)
TOKENS_OF_ORGANIZATION = Limit(
    name="tokens-organization",
    what="API tokens that work",
    per="organization",
    most=500,
    counted=Counted.ROWS,
    sentence=(
        "Your organization has {used} tokens that work, and {most} is the limit. Ask an administrator to revoke "
        "those that are no longer needed, then try again."
    ),
    code="TOO_MANY_TOKENS",
)
FILES_OF_PERSON = Limit(
    name="upload-files-person",
    what="files uploaded",
    per="person",
    most=600,
    period=HOUR,
    counted=Counted.USES,
    sentence="You uploaded {used} files in the last hour, and {most} is the limit. You can upload this one in {wait}.",
)
MEGABYTES_OF_PERSON = Limit(
    name="upload-megabytes-person",
    what="megabytes uploaded",
    per="person",
    most=2000,
    period=HOUR,
    counted=Counted.USES,
    unit=MEGABYTE,
    sentence="You uploaded {used} MB in the last hour, and {most} MB is the limit. You can upload this file in {wait}.",
)
MEGABYTES_OF_ORGANIZATION = Limit(
    name="upload-megabytes-organization",
    what="megabytes uploaded",
    per="organization",
    most=50_000,
    period=MONTH,
    counted=Counted.USES,
    unit=MEGABYTE,
    sentence=(
        "Your organization uploaded {used} MB in the last 30 days, and {most} MB is the limit. You can upload this "
        "file in {wait}."
    ),
)
HELD_FILES_OF_PERSON = Limit(
    name="held-files-person",
    what="files held for forms that were not accepted yet",
    per="person",
    most=60,
    counted=Counted.ROWS,
    beyond="the oldest are forgotten; each is after a day",
)
FORMS_OF_PERSON = Limit(
    name="forms-person",
    what="forms remembered, so that a second click does nothing twice",
    per="person (all who are not signed in count as one)",
    most=1000,
    counted=Counted.ROWS,
    beyond="the oldest are forgotten; each is after two days",
)
RESETS_OF_SOURCE = Limit(
    name="resets-source",
    what="requests for a link for a new password",
    per="network address",
    most=60,
    period=HOUR,
    counted=Counted.REQUESTS,
)
RESETS_OF_SOURCE_AND_ADDRESS = Limit(
    name="resets-source-account",
    what="requests for a link for a new password of one account",
    per="network address",
    most=5,
    period=HOUR,
    counted=Counted.REQUESTS,
)
LINKS_OF_SOURCE = Limit(
    name="links-source",
    what="passwords set, or invitations accepted, by link",
    per="network address",
    most=60,
    period=HOUR,
    counted=Counted.REQUESTS,
)
APPLICATIONS_OF_SOURCE = Limit(
    name="applications-source",
    what="applications of organizations",
    per="network address",
    most=20,
    period=HOUR,
    counted=Counted.REQUESTS,
)

LIMITS: Mapping[str, Limit] = {
    limit.name: limit
    for limit in (
        RUNS_OF_PERSON,
        RUNS_OF_ORGANIZATION,
        IMPORT_FILES_OF_PERSON,
        IMPORT_FILES_OF_ORGANIZATION,
        EXPORTS_OF_PERSON,
        SEARCHES_OF_PERSON,
        INVITATIONS_OF_ORGANIZATION,
        OPEN_INVITATIONS_OF_ORGANIZATION,
        INVITATIONS_OF_ORGANIZATION_TO_ADDRESS,
        INVITATIONS_TO_ADDRESS,
        RESETS_OF_ADDRESS,
        RESETS_OF_SOURCE,
        RESETS_OF_SOURCE_AND_ADDRESS,
        LINKS_OF_SOURCE,
        APPLICATIONS_OF_SOURCE,
        MAILS_AN_HOUR,
        MAILS_A_DAY,
        TOKENS_OF_PERSON,
        TOKENS_OF_ORGANIZATION,
        FILES_OF_PERSON,
        MEGABYTES_OF_PERSON,
        MEGABYTES_OF_ORGANIZATION,
        HELD_FILES_OF_PERSON,
        FORMS_OF_PERSON,
    )
}
"""Every limit by its name."""


def table() -> str:
    """Return the table of all limits as Markdown: docs/operations.md holds it."""
    lines = ["| Limit | What is counted | For each | At most | More than that |", "|---|---|---|---|---|"]
    lines += [
        f"| `{limit.name}` | {limit.what} | {limit.per} | {limit.most:,}{_within(limit)} | {limit.beyond} |"
        for limit in LIMITS.values()
    ]
    return "\n".join(lines)


def _within(limit: Limit) -> str:
    words = {None: " at once", MINUTE: " a minute", HOUR: " an hour", DAY: " in 24 hours", MONTH: " in 30 days"}
    return words[limit.period]
