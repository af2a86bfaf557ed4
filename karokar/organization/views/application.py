"""Applying: the company and its first administrator."""

from typing import Any

from flask import redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from karokar.kernel.fairness.limits import APPLICATIONS_OF_SOURCE
from karokar.kernel.permissions import public
from karokar.organization import actions, rules
from karokar.organization.forms import ApplicationForm
from karokar.organization.views.blueprint import bp
from karokar.web.requests.limits import limited

DETAILS = tuple(rules.DETAIL_LABELS)


def with_details(values: dict[str, Any]) -> dict[str, Any]:
    """Return a form's values with those that are kept as details gathered under one name."""
    details = {name: values[name] for name in DETAILS if name in values}
    return {**{name: value for name, value in values.items() if name not in details}, "details": details}


@bp.get("/apply")
@public
def apply() -> str:
    """Ask for the company and its first administrator."""
    return render_template("organization/apply.html", form=ApplicationForm())


@bp.post("/apply")
@public
@limited(APPLICATIONS_OF_SOURCE)
def send_application() -> ResponseReturnValue:
    """Apply; the mail with the link follows."""
    form = ApplicationForm()
    if form.is_sent():
        with form.refusals():
            actions.apply(**with_details(form.values()))
            return redirect(url_for("organization.applied"), 303)
    return render_template("organization/apply.html", form=form), form.status


@bp.get("/applied")
@public
def applied() -> str:
    """Say what happens next."""
    return render_template("organization/applied.html")
