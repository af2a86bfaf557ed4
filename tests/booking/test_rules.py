"""Pure decisions about bookings."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from karokar.booking import rules
from karokar.booking.rules import ALPHABET, Status, check_sign, new_reference, read_reference

BODIES = st.text(alphabet=ALPHABET, min_size=5, max_size=5)
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds


def reference(body: str) -> str:
    return f"B-{body[:3]}-{body[3:]}{check_sign(body)}"


def test_a_reference_is_read_however_it_is_typed() -> None:
    made = new_reference()
    for text in (made, made.lower(), made.replace("-", ""), made.replace("-", " "), made[2:], f" {made} "):
        assert read_reference(text) == made


@given(BODIES, st.integers(0, 5), st.sampled_from(ALPHABET))
def test_one_wrong_sign_is_noticed(body: str, at: int, sign: str) -> None:
    signs = list(reference(body).replace("-", "")[1:])
    if signs[at] != sign:
        signs[at] = sign
        assert read_reference("".join(signs)) is None


@given(BODIES, st.integers(0, 4))
def test_two_neighbours_that_changed_places_are_noticed(body: str, at: int) -> None:
    signs = list(reference(body).replace("-", "")[1:])
    if signs[at] != signs[at + 1]:
        signs[at], signs[at + 1] = signs[at + 1], signs[at]
        assert read_reference("".join(signs)) is None


def test_no_sign_is_easily_taken_for_another() -> None:
    assert not set("01ILOUZ") & set(ALPHABET)
    assert len(set(ALPHABET)) == len(ALPHABET) == 29


@given(MOMENTS, MOMENTS)
def test_an_unanswered_request_always_leaves_time_for_an_answer(start: datetime, submitted_at: datetime) -> None:
    over = rules.unanswered_at(start, submitted_at)
    assert over == start if submitted_at < start else over == start + rules.GRACE


@given(*[st.integers(0, 20)] * 4)
def test_periods_overlap_when_they_share_a_moment(a: int, b: int, c: int, d: int) -> None:
    first, second = range(min(a, b), max(a, b)), range(min(c, d), max(c, d))
    at = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(21)]
    if first and second:
        shares = bool(set(first) & set(second))
        assert rules.overlaps(at[min(a, b)], at[max(a, b)], at[min(c, d)], at[max(c, d)]) is shares


def test_contacts_are_known_from_the_approval_on() -> None:
    known = {status for status in Status if rules.shows_contacts(status)}
    assert known == {Status.APPROVED, Status.ASSIGNED, Status.ACTIVE, Status.COMPLETED, Status.TERMINATED}
