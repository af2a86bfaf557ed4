"""Reports: utilisation, time to decide, rejections, unmet demand; each chart with its table, each table as a file."""

from flask import render_template, request
from werkzeug.wrappers import Response

from karokar.administration.permissions import REPORT_READ
from karokar.administration.queries import reports as queries
from karokar.administration.queries.reports import LONGEST, Bucket, Period, Utilisation
from karokar.administration.views.blueprint import bp
from karokar.fleet.facts import CATEGORIES
from karokar.kernel.errors import NotFound, RuleBroken
from karokar.kernel.permissions import requires
from karokar.web.lists.exports import Column, export
from karokar.web.lists.filters import asked_day
from karokar.web.shell.times import local_day

UTILISATION_COLUMNS = (
    Column("Vehicle", lambda row: row.label),
    Column("Category", lambda row: _category_name(row.category)),
    Column("Hours used", lambda row: row.used_h),
    Column("Hours there", lambda row: row.there_h),
    Column("Percent", lambda row: row.percent),
)
BUCKET_COLUMNS = (
    Column("What", lambda row: row.label),
    Column("Count", lambda row: row.count),
    Column("Hours", lambda row: row.hours),
    Column("Average hours", lambda row: row.average_h),
    Column("Longest hours", lambda row: row.longest_h),
)


def _category_name(category: str) -> str:
    """Return what people call a category; one that is not known any more goes by its code."""
    return CATEGORIES.get(category, category)


def _period() -> tuple[Period, list[str]]:
    """Return the period of the report, and a sentence for each way in which it is not the one that was asked for."""
    (first, about_first), (last, about_last) = asked_day("from"), asked_day("to")
    period = Period.of(first, last)
    problems = [problem for problem in (about_first, about_last) if problem]
    if any(day < period.first for day in (first, last) if day is not None):
        problems.append(
            f"A report covers at most {LONGEST} days. Choose a shorter period, such as from "
            f"{local_day(period.first)} to {local_day(period.last)}."
        )
    return period, problems


@bp.get("/reports")
@requires(REPORT_READ)
def reports() -> str:
    """Show the four reports of a period."""
    period, problems = _period()
    vehicles = queries.utilisation_by_vehicle(period)
    return render_template(
        "administration/reports.html",
        period=period,
        problems=problems,
        category_name=_category_name,
        totals=queries.totals(period),
        vehicles=vehicles,
        categories=queries.by_category(vehicles, _category_name),
        decisions=queries.decision_times(period),
        rejections=queries.rejections_by_reason(period),
        unmet=queries.unmet_by_week(period),
        unmet_reasons=queries.unmet_by_reason(period),
    )


@bp.get("/reports/<name>/export")
@requires(REPORT_READ)
def export_report(name: str) -> Response:
    """Download one report of a period.

    Raises NotFound for a report that does not exist, and RuleBroken for a day that cannot be read or too long a period.
    """
    period, problems = _period()
    if problems:
        raise RuleBroken("INVALID_DAY", " ".join(problems))
    rows: list[Utilisation] | list[Bucket]
    if name == "utilisation":
        rows = queries.utilisation_by_vehicle(period, limit=100_000)
        return export("utilisation", UTILISATION_COLUMNS, rows, request.args.get("format", "csv"))
    tables = {
        "decisions": queries.decision_times,
        "rejections": queries.rejections_by_reason,
        "unmet": queries.unmet_by_week,
    }
    if name not in tables:
        raise NotFound("report")
    return export(name, BUCKET_COLUMNS, tables[name](period), request.args.get("format", "csv"))
