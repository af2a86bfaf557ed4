"""What people hand in and decide: its shape. Whether it may be done, the actions decide."""

from flask_wtf.file import MultipleFileField
from wtforms import DateField, SelectField, TextAreaField
from wtforms.validators import InputRequired, Length, Optional

from karokar.files.formats import kinds
from karokar.verification import rules
from karokar.web.forms.base import Form, choose, in_our_years
from karokar.web.forms.form_files import FileForm, FilesNeeded

A_REASON = "Choose a reason"
NOTE = Length(max=1000, message="Use at most 1000 characters.")


class RequestForm(FileForm):
    """What is proved, and the files."""

    most_files = rules.MOST_DOCUMENTS

    kind = SelectField("What do the files prove?", [InputRequired("Choose what they prove.")])
    documents = MultipleFileField(
        "Files",
        [FilesNeeded("Choose at least one file.")],
        render_kw={"accept": kinds.ACCEPT_DOCUMENTS},
    )


class ApproveForm(Form):
    """Accepting documents."""

    expires_on = DateField(
        "Valid until",
        [Optional(), in_our_years],
        description="The last day on which the document counts. It ends at midnight in the organization's time zone.",
    )
    note = TextAreaField("Note", [Optional(), NOTE], description="Kept with the decision.")


class RejectForm(Form):
    """Not accepting documents."""

    reason = SelectField(
        "Reason", [InputRequired("Choose a reason.")], choices=choose(rules.REJECTION_REASONS.items(), A_REASON)
    )
    note = TextAreaField("Note", [Optional(), NOTE], description="Whoever handed it in reads it.")


class RevokeForm(Form):
    """Taking an approval back."""

    reason = SelectField(
        "Reason", [InputRequired("Choose a reason.")], choices=choose(rules.REVOCATION_REASONS.items(), A_REASON)
    )
    note = TextAreaField("Note", [Optional(), NOTE], description="Whoever handed it in reads it.")
