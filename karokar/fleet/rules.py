"""What holds for vehicles, their maintenance and their odometers: decisions without a database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from unicodedata import normalize

from karokar.kernel.clock import to_the_minute
from karokar.kernel.errors import RuleBroken, StateConflict
from karokar.kernel.local.countries import countries
from karokar.kernel.state_machine import StateMachine, Transition
from karokar.kernel.text.codes import name_codes
from karokar.kernel.text.normalization import is_of_a_word, search_key
from karokar.kernel.vehicles.odometer import MAX_KILOMETRES


class VehicleStatus(StrEnum):
    """The life of a vehicle; whether it is free at some time is another question."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    RETIRED = "RETIRED"


class Ownership(StrEnum):
    """Whose vehicle it is: only a vendor's is booked, a company's own is assigned directly."""

    VENDOR_OWNED = "VENDOR_OWNED"
    CORPORATE_OWNED = "CORPORATE_OWNED"


class SuspendedBy(StrEnum):
    """Who took a vehicle off the road; each kind is lifted only by its own."""

    OWNER = "OWNER"
    PLATFORM = "PLATFORM"
    DOCUMENTS = "DOCUMENTS"


class WindowStatus(StrEnum):
    """The life of a maintenance window."""

    SCHEDULED = "SCHEDULED"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"


class ReadingSource(StrEnum):
    """Where an odometer reading comes from."""

    REGISTRATION = "REGISTRATION"
    MANUAL = "MANUAL"
    HANDOVER = "HANDOVER"
    RETURN = "RETURN"


SOURCE_OF: dict[str, ReadingSource] = {"OUT": ReadingSource.HANDOVER, "IN": ReadingSource.RETURN}
"""Which way a vehicle went → where the reading that was taken then comes from."""


class ReadingMark(StrEnum):
    """What is odd about a reading; a marked one is kept but does not move the odometer."""

    NONE = ""
    OUT_OF_ORDER = "OUT_OF_ORDER"
    IMPLAUSIBLE = "IMPLAUSIBLE"


MARK_SENTENCES: dict[str, str] = {
    "OUT_OF_ORDER": "Out of order: it contradicts an earlier or later reading. It is kept, and does not count.",
    "IMPLAUSIBLE": "Implausible: nobody drives that far in that time. It is kept, and does not count.",
}
"""What people are told of a marked reading."""


CATEGORIES: dict[str, str] = {
    "SMALL": "Small car",
    "COMPACT": "Compact car",
    "SALOON": "Saloon",
    "ESTATE": "Estate",
    "SUV": "SUV",
    "VAN": "Van",
    "MINIBUS": "Minibus",
    "PICKUP": "Pick-up",
    "TRUCK": "Truck",
}
"""Stored category → what people call it."""

WINDOW_KINDS: dict[str, str] = {
    "SERVICE": "Service",
    "REPAIR": "Repair",
    "INSPECTION": "Inspection",
    "TYRES": "Tyres",
    "CLEANING": "Cleaning",
    "OTHER": "Other work",
}
"""Stored kind of maintenance → what people call it."""

SUSPENSION_REASONS: dict[str, str] = {
    "DAMAGE": "Damaged",
    "UNSAFE": "Not safe to drive",
    "LOST": "Stolen or missing",
    "DISPUTE": "Dispute about ownership",
    "SEASON": "Not needed this season",
    "OTHER": "Another reason (say which)",
}
"""Stored reason for taking a vehicle off the road → what people call it."""

DOCUMENT_REASONS: dict[str, str] = {
    "DOCUMENT_EXPIRED": "A document has expired",
    "DOCUMENT_REVOKED": "A document was revoked",
}
"""Reasons that the documents give by themselves."""

name_codes("Vehicle", "category", CATEGORIES)
name_codes("Vehicle", "reason", SUSPENSION_REASONS, DOCUMENT_REASONS)
name_codes("Vehicle", "suspension_reason", SUSPENSION_REASONS, DOCUMENT_REASONS)
name_codes("MaintenanceWindow", "kind", WINDOW_KINDS)

REQUIRED_DOCUMENTS: dict[str, str] = {
    "VEHICLE_REGISTRATION": "registration certificate",
    "VEHICLE_INSURANCE": "insurance",
    "VEHICLE_FITNESS": "fitness certificate",
}
"""Kinds of verification without which no vehicle is on the road → what people call them."""

YEARS = range(1900, 2101)
MAX_SEATS = 100
LONGEST_WINDOW = timedelta(days=366)
FASTEST_AVERAGE_KMH = 110
"""No vehicle covers more than this on average between two readings, breaks included."""
READING_TOLERANCE_KM = 50
"""What a reading may be off because somebody rounded it."""
LIKELY_KM_A_DAY = 600
LIKELY_AT_ONCE_KM = 1_000
"""Beyond so many kilometres a day, and so many besides, people are asked whether they read the odometer rightly."""
UNLIKELY_AT_REGISTRATION_KM = 1_000_000
"""Nor is a vehicle likely to have been driven this far when it is registered."""

LONGEST_PLATE = 15
_HYPHENS = str.maketrans(dict.fromkeys("‐‑‒–—−", "-"))
"""Phones and word processors make longer dashes of a plate's hyphen."""
LONGEST_CITY = 80


def tidy_plate(text: str) -> str:
    """Return a licence plate as it is shown: upper case, single spaces. Raises RuleBroken for one that cannot be."""
    plate = " ".join(_upper(text).translate(_HYPHENS).split())
    is_made_of_these = all(is_of_a_word(sign) or sign in " ·.-" for sign in plate)
    if not is_made_of_these or not 2 <= len(plate_key(plate)) <= len(plate) <= LONGEST_PLATE:
        raise RuleBroken(
            "LICENSE_PLATE_MALFORMED",
            "A licence plate has 2 to 15 letters, digits, spaces and hyphens.",
            fields={"license_plate": "Use 2 to 15 letters, digits, spaces and hyphens."},
        )
    return plate


def _upper(plate: str) -> str:
    # The digits and letters of every keyboard, full-width ones included, are those that are on the plate.
    return normalize("NFKC", normalize("NFKC", plate).upper())


def check_country(code: str) -> None:
    """Raise RuleBroken for a code that is no country's; "" stands for one that is not known."""
    if code and code not in countries():
        sentence = "Choose the country of the plate from the list."
        raise RuleBroken("COUNTRY_UNKNOWN", sentence, fields={"plate_country": sentence})


def plate_key(plate: str) -> str:
    """Return what two spellings of one plate have in common: its letters and digits, of whatever script."""
    return "".join(sign for sign in _upper(plate) if is_of_a_word(sign))


def city_key(city: str) -> str:
    """Return what two spellings of one city have in common."""
    return search_key(city)[:LONGEST_CITY]


def _past(verb: str) -> str:
    spelt = {"suspend": "suspended", "start": "started", "cancel": "cancelled"}
    return spelt.get(verb, f"{verb}d")


VEHICLE_MACHINE = StateMachine(
    VehicleStatus,
    (
        Transition(VehicleStatus.PENDING, VehicleStatus.ACTIVE, "activate", "VehicleActivated"),
        Transition(VehicleStatus.SUSPENDED, VehicleStatus.ACTIVE, "activate", "VehicleActivated"),
        Transition(VehicleStatus.ACTIVE, VehicleStatus.SUSPENDED, "suspend", "VehicleSuspended"),
        # The platform over the owner or the documents.
        Transition(VehicleStatus.SUSPENDED, VehicleStatus.SUSPENDED, "suspend", "VehicleSuspended"),
        Transition(VehicleStatus.PENDING, VehicleStatus.RETIRED, "retire", "VehicleRetired"),
        Transition(VehicleStatus.ACTIVE, VehicleStatus.RETIRED, "retire", "VehicleRetired"),
        Transition(VehicleStatus.SUSPENDED, VehicleStatus.RETIRED, "retire", "VehicleRetired"),
    ),
    code="INVALID_VEHICLE_TRANSITION",
    refusal=lambda status, verb: (
        f"This vehicle is {status.lower()}; it cannot be {_past(verb)} now. Reload the page to see its state."
    ),
)
"""Every change of a vehicle's status; what is not here is refused."""

WINDOW_MACHINE = StateMachine(
    WindowStatus,
    (
        Transition(WindowStatus.SCHEDULED, WindowStatus.SCHEDULED, "change", "VehicleMaintenanceChanged"),
        # Its end alone, where the work takes longer.
        Transition(WindowStatus.IN_PROGRESS, WindowStatus.IN_PROGRESS, "change", "VehicleMaintenanceChanged"),
        Transition(WindowStatus.SCHEDULED, WindowStatus.IN_PROGRESS, "start", "VehicleMaintenanceStarted"),
        Transition(WindowStatus.SCHEDULED, WindowStatus.CANCELLED, "cancel", "VehicleMaintenanceCancelled"),
        Transition(WindowStatus.IN_PROGRESS, WindowStatus.COMPLETED, "complete", "VehicleMaintenanceCompleted"),
        Transition(WindowStatus.IN_PROGRESS, WindowStatus.CANCELLED, "cancel", "VehicleMaintenanceCancelled"),
    ),
    code="INVALID_MAINTENANCE_TRANSITION",
    refusal=lambda status, verb: (
        f"This maintenance is {status.lower().replace('_', ' ')}; it cannot be {_past(verb)} "
        "now. Reload the page to see its state."
    ),
)
"""Every change of a window's status; what is not here is refused."""


def check_facts(*, year: int, seats: int, category: str) -> None:
    """Raise RuleBroken where a fact of a vehicle is out of range."""
    if year not in YEARS:
        _refuse("year", "YEAR_OUT_OF_RANGE", f"The year lies between {YEARS[0]} and {YEARS[-1]}.")
    if not 1 <= seats <= MAX_SEATS:
        _refuse("seats", "SEATS_OUT_OF_RANGE", f"A vehicle has 1 to {MAX_SEATS} seats.")
    if category not in CATEGORIES:
        _refuse("category", "CATEGORY_UNKNOWN", "Choose one of the categories: " + ", ".join(CATEGORIES) + ".")


def check_period(start: datetime, end: datetime) -> None:
    """Raise RuleBroken unless the planned period of a window has a length that makes sense."""
    if end <= start:
        _refuse("end", "END_BEFORE_START", "The end must be after the start.")
    if end - start > LONGEST_WINDOW:
        _refuse("end", "WINDOW_TOO_LONG", "Maintenance lasts a year at most; retire or suspend the vehicle instead.")


def check_lies_ahead(end: datetime, now: datetime) -> None:
    """Raise END_IN_THE_PAST for planned maintenance whose end does not lie ahead."""
    if end <= now:
        _refuse("end", "END_IN_THE_PAST", "The end has passed. Choose an end that lies ahead.")


def check_kilometres(kilometres: int) -> None:
    """Raise RuleBroken for a reading that no odometer shows."""
    if not 0 <= kilometres <= MAX_KILOMETRES:
        _refuse("kilometres", "ODOMETER_OUT_OF_RANGE", f"A reading lies between 0 and {MAX_KILOMETRES:,} km.")


def _refuse(field: str, code: str, sentence: str) -> None:
    raise RuleBroken(code, sentence, fields={field: sentence})


@dataclass(frozen=True)
class Reading:
    """What counts of a reading when others are judged by it."""

    kilometres: int
    read_at: datetime


def judge_reading(kilometres: int, read_at: datetime, others: Sequence[Reading]) -> ReadingMark:
    """Say what is odd about a reading beside the trusted others of its vehicle, in any order.

    OUT_OF_ORDER: less than an earlier one, or more than a later one. IMPLAUSIBLE: farther from the one before than a
    vehicle drives in that time.
    """
    earlier = [other for other in others if other.read_at <= read_at]
    # What people type holds no seconds: of one minute nobody knows which came first.
    later = [other for other in others if to_the_minute(other.read_at) > to_the_minute(read_at)]
    if any(other.kilometres > kilometres for other in earlier) or any(other.kilometres < kilometres for other in later):
        return ReadingMark.OUT_OF_ORDER
    if earlier:
        before = max(earlier, key=lambda other: (other.read_at, other.kilometres))
        hours = (read_at - before.read_at).total_seconds() / 3600
        if kilometres - before.kilometres > hours * FASTEST_AVERAGE_KMH + READING_TOLERANCE_KM:
            return ReadingMark.IMPLAUSIBLE
    return ReadingMark.NONE


def judge_anew(trusted: Sequence[Reading], marked: Sequence[Reading]) -> list[ReadingMark]:
    """Judge marked readings again, in the order given: each against the trusted ones and those before it that are no
    longer odd.
    """
    known, marks = list(trusted), []
    for reading in marked:
        marks.append(judge_reading(reading.kilometres, reading.read_at, known))
        if not marks[-1]:
            known.append(reading)
    return marks


@dataclass(frozen=True, kw_only=True)
class LikelyReadings:
    """Between which readings an odometer is likely to be at a moment, in kilometres; None where nothing is known.

    `before` is the newest trusted reading until then, `later` the first one after it.
    """

    lowest: int = 0
    highest: int = MAX_KILOMETRES
    before: Reading | None = None
    later: Reading | None = None


def likely_readings(at: datetime, trusted: Sequence[Reading]) -> LikelyReadings:
    """Return between which readings a vehicle's odometer is likely to be at a moment, judged by the trusted ones.

    Whatever `judge_reading` would mark lies outside, and so does what is possible and rare: people mistype digits more
    often than they drive that far.
    """
    before = max((one for one in trusted if one.read_at <= at), key=_place, default=None)
    later = min((one for one in trusted if one.read_at > at), key=_place, default=None)
    highest = later.kilometres if later is not None else MAX_KILOMETRES
    if before is not None:
        hours = (at - before.read_at).total_seconds() / 3600
        possible = hours * FASTEST_AVERAGE_KMH + READING_TOLERANCE_KM
        usual = hours / 24 * LIKELY_KM_A_DAY + LIKELY_AT_ONCE_KM
        highest = min(highest, before.kilometres + int(min(possible, usual)))
    lowest = max((one.kilometres for one in trusted if one.read_at <= at), default=0)
    return LikelyReadings(lowest=lowest, highest=highest, before=before, later=later)


def _place(reading: Reading) -> tuple[datetime, int]:
    return reading.read_at, reading.kilometres


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One thing that a vehicle needs to be put on the road.

    `code` names it, `sentence` says what is the matter, `subject_type`, `subject_id` and `kind` tell which document
    would open it (`kind` empty: none would).
    """

    code: str
    is_open: bool
    sentence: str
    subject_type: str = ""
    subject_id: str = ""
    kind: str = ""


class GatesClosed(StateConflict):
    """The vehicle lacks what it needs to be put on the road; `gates` are the closed ones (409)."""

    def __init__(self, gates: Sequence[Gate]) -> None:
        missing = [gate.sentence for gate in gates]
        super().__init__(
            "VEHICLE_GATES_CLOSED",
            "This vehicle cannot be activated yet. " + " ".join(missing),
            gates=[gate.code for gate in gates],
        )
        self.gates = tuple(gates)
