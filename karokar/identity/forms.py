"""What people type about accounts, members and roles: its shape. Whether it may be done, the actions decide."""

from collections.abc import Iterable
from typing import Any

from wtforms import (
    EmailField,
    HiddenField,
    PasswordField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
    TelField,
    TextAreaField,
)
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, EqualTo, InputRequired, Length, Optional
from wtforms.widgets import CheckboxInput, ListWidget

from karokar.identity.queries import RoleFacts
from karokar.identity.rules import passwords
from karokar.identity.rules.second_factor import IDENTITY_CHECKS
from karokar.web.forms.base import Form, NameField, can_be_mailed_to, time_zones

NAME = Length(max=80, message="Use at most 80 characters.")
PHONE = Length(max=40, message="Use at most 40 characters.")
_PASSWORD_HINT = f"At least {passwords.SHORTEST} characters. A few words in a row are easy to remember."


def needed(what: str) -> DataRequired:
    """Return the validator that asks for something more than spaces: `needed("the first name")`."""
    return DataRequired(f"Enter {what}.")


def choices(*pairs: tuple[Any, str]) -> list[SelectChoice]:
    """Return what a select offers, from pairs of value and label."""
    return [SelectChoice(value, label) for value, label in pairs]


class MultiCheckboxField(SelectMultipleField):
    """Several of many, each a checkbox: what can be chosen is seen at once, and needs no script."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()


class LoginForm(Form):
    """Address and password."""

    email = EmailField("E-mail address", [needed("your e-mail address")], render_kw={"autocomplete": "username"})
    password = PasswordField(
        "Password", [needed("your password")], render_kw={"autocomplete": "current-password", "maxlength": 250}
    )
    next = HiddenField()


class CodeForm(Form):
    """A code of the authenticator app, or a recovery code."""

    code = StringField(
        "Code",
        [needed("the code"), Length(max=40, message="This is too long for a code.")],
        render_kw={"autocomplete": "one-time-code", "inputmode": "text", "spellcheck": "false"},
    )


class ResetRequestForm(Form):
    """Whose password is to be set anew."""

    email = EmailField(
        "E-mail address",
        [needed("your e-mail address"), can_be_mailed_to],
        render_kw={"autocomplete": "username"},
    )


class NewPasswordForm(Form):
    """A new password, by the link of a mail."""

    new = PasswordField(
        "New password",
        [needed("a new password")],
        description=_PASSWORD_HINT,
        render_kw={"autocomplete": "new-password"},
    )
    again = PasswordField(
        "New password again",
        [needed("the password again"), EqualTo("new", "The two differ. Type the same password twice.")],
        render_kw={"autocomplete": "new-password"},
    )


class InvitationForm(Form):
    """The password of somebody who joins with a new account."""

    password = PasswordField(
        "Choose a password",
        [needed("a password")],
        description=_PASSWORD_HINT,
        render_kw={"autocomplete": "new-password"},
    )
    again = PasswordField(
        "The password again",
        [needed("the password again"), EqualTo("password", "The two differ. Type the same password twice.")],
        render_kw={"autocomplete": "new-password"},
    )


class JoinForm(Form):
    """Somebody who has an account only says yes."""


class ProfileForm(Form):
    """Name, phone, and how things are shown."""

    first_name = NameField("First name", [needed("your first name"), NAME], render_kw={"autocomplete": "given-name"})
    last_name = NameField("Last name", [needed("your last name"), NAME], render_kw={"autocomplete": "family-name"})
    phone = TelField("Phone", [Optional(), PHONE], render_kw={"autocomplete": "tel"})
    time_zone = SelectField(
        "Your time zone",
        [needed("your time zone")],
        choices=time_zones,
        description="Your mails name times in this zone.",
    )
    theme = RadioField(
        "Display",
        [needed("how pages look")],
        choices=choices(("auto", "As the device"), ("light", "Light"), ("dark", "Dark")),
        default="auto",
    )


class PasswordForm(NewPasswordForm):
    """The current password and a new one."""

    current = PasswordField(
        "Current password", [needed("your current password")], render_kw={"autocomplete": "current-password"}
    )


class ConfirmForm(Form):
    """One's password, before something that matters."""

    password = PasswordField("Your password", [needed("your password")], render_kw={"autocomplete": "current-password"})


class TokenForm(Form):
    """A program's way in."""

    name = NameField(
        "What is it for?",
        [needed("what the token is for"), NAME],
        description="For example: nightly export to the fleet software",
    )
    days = SelectField(
        "It works for",
        [needed("how long it works")],
        coerce=int,
        choices=choices((30, "30 days"), (90, "90 days"), (365, "a year")),
        default=90,
    )
    permissions = MultiCheckboxField(
        "What may it do?", [InputRequired("Choose at least one of the permissions.")], choices=[]
    )


class MemberForm(Form):
    """Somebody to be invited."""

    first_name = NameField("First name", [needed("the first name"), NAME])
    last_name = NameField("Last name", [needed("the last name"), NAME])
    email = EmailField("E-mail address", [needed("the e-mail address"), can_be_mailed_to])
    phone = TelField("Phone", [Optional(), PHONE])
    role_id = SelectField("Role", [DataRequired("Choose a role.")], choices=[])


class RoleChangeForm(Form):
    """Another role for a member."""

    role_id = SelectField("New role", [DataRequired("Choose a role.")], choices=[])


class IdentityCheckForm(Form):
    """How the platform made sure who asks to have a second factor removed."""

    identity_check = RadioField(
        "How did you make sure who is asking?",
        [InputRequired("Choose how you made sure who is asking.")],
        choices=choices(*IDENTITY_CHECKS.items()),
        description="The answer is kept in the audit log.",
    )


class ReasonForm(Form):
    """Why a member is suspended or removed."""

    reason = StringField(
        "Reason",
        [Optional(), Length(max=200, message="Use at most 200 characters.")],
        description="Other administrators of your organization can read it.",
    )


class RoleForm(Form):
    """A composed role: the permissions are read by the view, one choice per permission."""

    name = NameField("Name", [needed("a name"), NAME], description="For example: counter staff")
    description = TextAreaField("Description", [Optional(), Length(max=300, message="Use at most 300 characters.")])


def role_choices(found: Iterable[RoleFacts]) -> list[SelectChoice]:
    """Return roles as choices; where there are several none is chosen beforehand, for the first one may do most."""
    offered = [(str(role.id), role.name) for role in found]
    return choices(*([("", "Choose a role")] if len(offered) > 1 else []), *offered)
