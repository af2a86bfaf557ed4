"""Email addresses: the one form in which they are stored and compared, and which of them any mail server accepts."""

from email.utils import parseaddr

from email_validator import EmailNotValidError, ValidatedEmail, validate_email

from karokar.kernel.text.normalization import normal

_EXAMPLE = "It looks like asha@example.com."


def normal_email(address: str) -> str:
    """Return an address as it is stored and compared: in lower case, its domain as mail servers know it (IDNA).

    What is not an address is returned in lower case without spaces around it.
    """
    found = _read(address)
    return f"{found.local_part}@{found.ascii_domain}".lower() if found else normal(address).strip().lower()


def email_problem(address: str) -> str:
    """Return what keeps an address from being mailed to, as a sentence with what to do; "" where nothing does.

    A mail server accepts other letters than A to Z before the @ only if it and every server on the way offer SMTPUTF8,
    which few do. So such an address is refused where it is typed, not when a mail to it fails.
    """
    found = _read(address)
    if found is None:
        return f"This is no e-mail address. {_EXAMPLE}"
    foreign = "".join(dict.fromkeys(letter for letter in found.local_part if not letter.isascii()))
    if foreign:
        return f"Mail servers do not accept “{foreign}” before the @. Enter an address without it. {_EXAMPLE}"
    if len(normal_email(address)) > 254:
        return "Use at most 254 characters."
    return ""


def as_sender(sender: str) -> str | None:
    """Return a mail's sender with its domain in IDNA, its name kept; None where mail servers do not accept it."""
    address = parseaddr(sender)[1]
    sendable = address if address.isascii() else normal_email(address)
    return sender.replace(address, sendable) if sendable.isascii() else None


def _read(address: str) -> ValidatedEmail | None:
    try:
        return validate_email(address.strip(), check_deliverability=False, allow_smtputf8=True, strict=True)
    except EmailNotValidError:
        return None
