"""Changes to all rows that match a list's filters: the page that says how many, asks, and starts the run."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from flask import redirect, render_template, request, url_for

from karokar.kernel.errors import NotFound
from karokar.kernel.pages.shown import digest_of
from karokar.kernel.permissions import check, signed_in
from karokar.runs import actions
from karokar.runs.kinds import KINDS, RowKind
from karokar.runs.views.blueprint import bp
from karokar.web.forms.base import Form

MOST_ROWS = 50_000
"""More rows are not started at once: nobody could be shown them."""
_SAMPLE = 10
_OWN_FIELDS = {"csrf_token", "acting_for", "form_key", "form_base", "version", "expected", "cursor", "sort"}

_forms: dict[str, type[Form]] = {}


def ask_with(kind: RowKind, form: type[Form]) -> None:
    """Ask for what this form holds before a run of the kind starts; its values become parameters of every row."""
    _forms[kind.name] = form


@bp.route("/new/<kind>", methods=["GET", "POST"])
@signed_in
def new(kind: str) -> Any:
    """Say how many rows a bulk change is about, show some of them, ask, and start the run.

    The address holds the filters of the list that it came from. The run is about exactly the rows that were shown;
    where others match by now, or one of them has changed, it asks again.
    """
    known = KINDS.get(kind)
    if not isinstance(known, RowKind) or not known.is_bulk:
        raise NotFound("kind of run")
    check(known.permission)
    parameters = _snapshot(request.args.to_dict(flat=False))
    items = list(islice(known.list_items(parameters), MOST_ROWS + 1))
    is_too_many = len(items) > MOST_ROWS
    shown = digest_of(item.data for item in items)
    form = _forms.get(kind, Form)()
    is_changed = False
    if form.is_sent():
        is_changed = request.form.get("expected") != shown
        if items and not is_changed and not is_too_many:
            title = f"{known.title}: {len(items):,}"
            with form.refusals():
                run_id = actions.start_run(kind, {**parameters, **form.values()}, title=title, items=items)
                return redirect(url_for("runs.show", run_id=run_id), 303)
    page = render_template(
        "runs/new.html",
        kind=known,
        form=form,
        count=len(items),
        sample=items[:_SAMPLE],
        shown=shown,
        most=MOST_ROWS,
        is_too_many=is_too_many,
        is_changed=is_changed,
    )
    return page, 409 if is_changed else form.status


def _snapshot(args: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The filters as the list had them, and the rows that were chosen one by one (none: all that match)."""
    filters = {name: values[0] for name, values in args.items() if name not in _OWN_FIELDS | {"chosen"} and values[0]}
    return {"filters": filters, "chosen": list(args.get("chosen", []))}
