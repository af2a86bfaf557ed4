"""Vehicles from a CSV file or a workbook: checked first, every bad cell named, then registered by a run."""

from collections.abc import Mapping
from typing import Any

from flask import Response
from werkzeug.datastructures import MultiDict
from wtforms.fields.choices import SelectChoice

from karokar.fleet import actions, queries
from karokar.fleet.forms import NewVehicleForm
from karokar.fleet.permissions import VEHICLE_CREATE
from karokar.fleet.rules import CATEGORIES, plate_key
from karokar.fleet.views.blueprint import bp
from karokar.kernel.actor import current_actor
from karokar.kernel.errors import RuleBroken
from karokar.kernel.ids import new_id
from karokar.kernel.local.countries import countries, country_of
from karokar.kernel.permissions import requires
from karokar.kernel.text.normalization import same_key
from karokar.pages.vehicles.vehicles import COLUMNS
from karokar.runs.imports import Good, Heading, Line, Report
from karokar.runs.kinds import Item
from karokar.runs.views.imports import ListImport
from karokar.web.forms.base import label_of, time_zones

_NEEDED = ("license_plate", "make", "model", "year", "category", "seats", "city")
_MAY_BE_EMPTY = {
    "address": "Address",
    "time_zone": "Time zone",
    "odometer": "Odometer",
    "plate_country": "Plate country",
}
"""What the file may leave out, and what else these columns are called."""
HEADINGS = (
    *(Heading(name, label_of(NewVehicleForm, name)) for name in _NEEDED),
    *(
        Heading(name, label_of(NewVehicleForm, name), is_optional=True, also=(other,))
        for name, other in _MAY_BE_EMPTY.items()
    ),
)
_EXAMPLE = "KK-A 1001,Škoda,Octavia,2024,Estate,5,Hamburg,Lagerstraße 4,Europe/Berlin,12000,DE"


def _check(report: Report) -> None:
    """Take every line through the checks of the form and of the action, and of all plates at once."""
    organization_id = current_actor().organization_id or new_id()
    taken = queries.taken_plates(organization_id, {_plate(line) for line in report.lines})
    seen: dict[tuple[str, str], int] = {}
    known = {same_key(name): code for code, name in countries().items()}
    home = country_of(current_actor().time_zone or "")
    categories = {same_key(name): code for code, name in CATEGORIES.items()}
    bad, zones = set(report.bad_lines), {choice.value for choice in time_zones()}
    for line in report.lines:
        cells = dict(line.cells)
        category = cells.get("category", "")
        cells["category"] = categories.get(same_key(category), category.upper())
        cells["time_zone"] = cells.get("time_zone") or current_actor().time_zone
        cells["odometer"] = cells.get("odometer") or "0"
        country = cells.get("plate_country") or country_of(cells["time_zone"]) or home
        country = known.get(same_key(country), country.upper())
        cells["plate_country"] = country
        before = len(report.problems)
        form = NewVehicleForm(formdata=MultiDict(cells))
        # One zone to compare with instead of hundreds, for each of thousands of rows.
        form.time_zone.choices = [SelectChoice(zone) for zone in (cells["time_zone"],) if zone in zones]
        form.plate_country.choices = [SelectChoice(code) for code in (country,) if code in countries()]
        if not form.validate():
            for name, sentences in form.errors.items():
                report.note(line, name or "", " ".join(map(str, sentences)))
        key = (country, plate_key(_plate(line)))
        if key in seen:
            report.note(line, "license_plate", f"Line {seen[key]} has the same plate.")
        elif key in taken:
            report.note(line, "license_plate", "One of your vehicles in service has this plate.")
        if key[1]:
            seen.setdefault(key, line.number)
        if len(report.problems) > before or line.number in bad:
            continue
        facts = {name: value if value is not None else "" for name, value in form.values().items()}
        try:
            actions.check_registration(facts)
        except RuleBroken as error:
            for name, sentence in (error.fields or {"": error.sentence}).items():
                report.note(line, name, sentence)
            continue
        report.good.append(Good(line, f"{facts['license_plate']}, {facts['make']} {facts['model']}", facts))


def _plate(line: Line) -> str:
    return line.cells.get("license_plate", "")


def _do(item: Item, _parameters: Mapping[str, Any]) -> None:
    actions.register_vehicle(**item.data)


VEHICLES = ListImport(
    "fleet.import",
    "Import vehicles",
    permission=VEHICLE_CREATE,
    headings=HEADINGS,
    check=_check,
    do=_do,
    endpoint="fleet.import_",
    back=("Vehicles", "fleet.index"),
    noun=("vehicle", "vehicles"),
    exported=COLUMNS,
    hint="Without a time zone your organization's is taken, and without a country of the plate that of the time zone. "
    f"Categories: {', '.join(CATEGORIES.values())}.",
    example="fleet.import_example",
)


@bp.route("/import", methods=["GET", "POST"])
@requires(VEHICLE_CREATE)
def import_() -> Any:
    """Take a file of vehicles and lead to what importing it would do."""
    return VEHICLES.upload()


@bp.get("/import/example")
@requires(VEHICLE_CREATE)
def import_example() -> Response:
    """Send a file with the headings and one row to fill in."""
    body = "\ufeff" + ",".join(heading.shown for heading in HEADINGS) + "\r\n" + _EXAMPLE + "\r\n"
    headers = {"Content-Disposition": 'attachment; filename="vehicles-example.csv"'}
    return Response(body, mimetype="text/csv", headers=headers)
