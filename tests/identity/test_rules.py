"""Decisions about people that need nothing else."""

from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from karokar.identity import rules
from karokar.identity.rules import second_factor, tokens
from karokar.kernel.actor import Scope

KEY = "a key for tests alone"
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
WEEK = timedelta(days=7)


@pytest.mark.parametrize(
    ("scopes", "of_all", "is_demo", "needed"),
    [
        ([Scope.ALL], False, False, True),
        ([Scope.SELF, Scope.ALL], False, False, True),
        ([Scope.OWN, Scope.PARTY, Scope.MARKET, Scope.SELF], False, False, False),
        ([Scope.SELF], True, False, True),
        ([Scope.ALL], True, True, False),
        ([], False, False, False),
    ],
)
def test_rights_that_reach_every_organization_need_a_second_factor(scopes, of_all, is_demo, needed):
    rights = {f"thing.{number}": scope for number, scope in enumerate(scopes)}
    assert rules.second_factor_needed(rights, required_of_all=of_all, is_demo=is_demo) is needed


@given(subject=st.text(max_size=40), nonce=st.text(max_size=20), seconds=st.integers(0, 7 * 86400))
def test_a_signed_link_says_what_was_signed_for_as_long_as_it_lives(subject, nonce, seconds):
    token = tokens.sign_link(KEY, "invitation", subject, nonce, NOW)
    at = NOW + timedelta(seconds=seconds)
    assert tokens.read_link([KEY], "invitation", token, WEEK, at) == (subject, nonce)
    assert tokens.read_link([KEY], "invitation", token, WEEK, NOW + WEEK + timedelta(seconds=1)) is None
    assert tokens.read_link([KEY], "password_reset", token, WEEK, at) is None
    assert tokens.read_link([KEY + "!"], "invitation", token, WEEK, at) is None
    assert tokens.read_link([KEY + "!", KEY], "invitation", token, WEEK, at) == (subject, nonce)


@given(st.text(max_size=200))
def test_what_was_never_signed_opens_nothing(text):
    assert tokens.read_link([KEY], "invitation", text, WEEK, NOW) is None


@given(st.binary(max_size=60).map(lambda raw: raw.decode("latin-1")))
def test_a_recovery_code_is_found_however_it_is_typed(noise):
    code = tokens.new_recovery_codes(1)[0]
    typed = code.upper().replace("-", " ") + "".join(letter for letter in noise if not letter.isalnum())
    assert tokens.normal_recovery_code(typed) == code


@pytest.mark.parametrize(("steps_away", "is_accepted"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_codes_of_the_neighbouring_steps_count_because_clocks_differ(steps_away, is_accepted):
    secret = second_factor.new_secret()
    code = pyotp.TOTP(secret).at(NOW + timedelta(seconds=30 * steps_away))
    step = second_factor.step_of(secret, code, NOW, None)
    assert (step is not None) is is_accepted
    if step is not None:
        assert second_factor.step_of(secret, code, NOW, step) is None


def test_the_system_roles_of_the_migration_are_those_of_the_code():
    assert set(rules.ADMIN_ROLES.values()) | {"EMPLOYEE"} == set(rules.SYSTEM_ROLES)
    assert {kind for kind, _name, _text in rules.SYSTEM_ROLES.values()} == set(rules.ADMIN_ROLES)
