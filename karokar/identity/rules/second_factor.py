"""The second factor: codes of an authenticator app (TOTP, RFC 6238)."""

from datetime import datetime

import pyotp

from karokar.kernel.text.codes import name_codes

ISSUER = "KaroKar"
STEP_SECONDS = 30
IDENTITY_CHECKS = {
    "IN_PERSON": "in person, with an identity document",
    "VIDEO": "on a video call, with an identity document",
    "CALLED_BACK": "by calling back a number that was known before",
    "VOUCHED": "through an administrator of their organization whom I know",
}
"""How the platform can make sure who asks to have a lost second factor removed. Never by what the account itself shows:
whoever has the password has that too (NIST SP 800-63B, account recovery)."""

name_codes("User", "identity_check", IDENTITY_CHECKS)


def new_secret() -> str:
    """Return a new secret for an authenticator app."""
    return pyotp.random_base32()


def address(secret: str, email: str) -> str:
    """Return the `otpauth://` address that the QR code shows."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER)


def step_of(secret: str, code: str, at: datetime, last_step: int | None) -> int | None:
    """Return the time step to which a code belongs; None where it is wrong, or was used before.

    Codes of the step before and after count too, because clocks differ. A step is accepted once: a code that somebody
    looked over a shoulder for is worth nothing.
    """
    digits = "".join(letter for letter in code if letter.isdigit())
    now_step = int(at.timestamp()) // STEP_SECONDS
    for step in (now_step - 1, now_step, now_step + 1):
        is_right = pyotp.utils.strings_equal(pyotp.TOTP(secret).generate_otp(step), digits)
        if is_right and (last_step is None or step > last_step):
            return step
    return None
