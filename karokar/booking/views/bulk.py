"""What is offered above the list of bookings for all that its filters match, and what it asks first."""

from collections.abc import Mapping
from typing import Any

from wtforms.fields.choices import SelectChoice

from karokar.booking.forms import ReasonForm
from karokar.booking.rules import CANCEL_REASONS, REJECT_REASONS
from karokar.booking.runs import APPROVE, CANCEL, REJECT
from karokar.kernel.permissions import may
from karokar.runs.kinds import RowKind
from karokar.runs.views.bulk import ask_with


def _with_reasons(name: str, reasons: Mapping[str, str]) -> type[ReasonForm]:
    class BulkReasonForm(ReasonForm):
        """One reason and note for all rows."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.reason.choices = [SelectChoice("", "Choose a reason")]
            self.reason.choices += [SelectChoice(code, word) for code, word in reasons.items()]

    BulkReasonForm.__name__ = name
    return BulkReasonForm


ask_with(REJECT, _with_reasons("RejectAllForm", REJECT_REASONS))
ask_with(CANCEL, _with_reasons("CancelAllForm", CANCEL_REASONS))


def offered() -> list[tuple[str, str]]:
    """Return the kinds that the acting person may start, with what their buttons say."""
    kinds: tuple[RowKind, ...] = (APPROVE, REJECT, CANCEL)
    return [(kind.name, f"{kind.title}…") for kind in kinds if may(kind.permission)]
