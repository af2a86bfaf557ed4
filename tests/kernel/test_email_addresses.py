"""Which addresses can be mailed to, and in which form they are stored."""

import pytest

from karokar.kernel.text.email_addresses import email_problem, normal_email


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Asha@Example.com", "asha@example.com"),
        (" asha@example.com ", "asha@example.com"),
        ("info@MÜNCHEN.example", "info@xn--mnchen-3ya.example"),
        ("info@xn--mnchen-3ya.example", "info@xn--mnchen-3ya.example"),
        ("info@mu\u0308nchen.example", "info@xn--mnchen-3ya.example"),
        ("o'neill+cars@example.com", "o'neill+cars@example.com"),
    ],
)
def test_an_address_is_kept_in_lower_case_with_its_domain_as_mail_servers_know_it(typed, kept):
    assert email_problem(typed) == ""
    assert normal_email(typed) == kept
    assert normal_email(kept) == kept


@pytest.mark.parametrize("typed", ["jörg@rental.example", "李@rental.example", "Ольга@rental.example"])
def test_letters_before_the_at_that_servers_do_not_accept_are_named(typed):
    assert "Mail servers do not accept" in email_problem(typed)
    assert next(letter for letter in typed.split("@")[0] if not letter.isascii()) in email_problem(typed)


@pytest.mark.parametrize(
    "typed", ["", "asha", "asha@", "@example.com", "a b@example.com", "a@b@example.com", "asha@example.com\r\nBcc: x",
              "asha@exa\u200bmple..com", f"{'a' * 65}@example.com", f"a@{'ü' * 60}.example"],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_an_example(typed):
    assert "asha@example.com" in email_problem(typed)
