"""Lists as files: sent at once while they are small, else made by a run, a page at a time.

    def _page(filters: Filters, cursor: str | None, size: int) -> Page[Line]: …
    def _count(filters: Filters, limit: int) -> int: …                     # at most limit + 1

    BOOKINGS = ListExport(
        "booking.export", "Bookings", permission=BOOKING_READ,
        columns=COLUMNS, filters=_filters, page=_page, count=_count,
    )

    @bp.get("/export")
    @requires(BOOKING_READ)
    def export_list() -> Response:
        return BOOKINGS.answer()

`filters(args)` reads a list's filters: those of the request for None, else those that a run kept.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from karokar.kernel.errors import NotFound, RuleBroken
from karokar.kernel.fairness.limits import EXPORTS_OF_PERSON
from karokar.kernel.pages.paging import Page
from karokar.kernel.permissions import check, signed_in
from karokar.kernel.settings import settings
from karokar.kernel.text.normalization import count_of
from karokar.runs import actions
from karokar.runs.kinds import Step, file_kind
from karokar.runs.views.blueprint import bp
from karokar.web.lists.exports import (
    FORMATS,
    Column,
    csv_heading,
    csv_line,
    export,
    packed,
    sheet_cells,
    unpacked,
    write_xlsx,
)
from karokar.web.lists.filters import Filters
from karokar.web.requests.limits import spend

COUNTED_UP_TO = 1_000_000
EXCEL_ROWS = 50_000
"""An Excel file is made in one go; more rows would hold up everything else that the clock does."""
_PAGE = 500
_SPOOL = "rows.part"

LISTS: dict[str, "ListExport"] = {}
"""Every list that can be exported, by the name of its kind."""


class ListExport:
    """A list's export: see above.

    `lines` are formats besides CSV and Excel, each with what makes a row's line. `before(format, count, filters)` runs
    when an export is asked for and will be made: where the taking itself has to be noted. `most` rows at most are
    exported.
    """

    def __init__(
        self,
        name: str,
        title: str,
        *,
        permission: str,
        columns: Sequence[Column],
        filters: Callable[[Mapping[str, str] | None], Filters],
        page: Callable[[Filters, str | None, int], Page[Any]],
        count: Callable[[Filters, int], int],
        lines: Mapping[str, Callable[[Any], str]] | None = None,
        before: Callable[[str, int, Filters], None] | None = None,
    ) -> None:
        self.title, self.permission, self.columns = title, permission, columns
        self.filters, self.page, self.count = filters, page, count
        self.lines, self.before = lines or {}, before
        self.slug = title.lower().replace(" ", "-")
        self.kind = file_kind(name, f"Export: {title}", permission=permission, step=self._step)
        LISTS[name] = self

    @property
    def formats(self) -> tuple[str, ...]:
        """What the list can be had as."""
        return (*FORMATS, *self.lines)

    def asked_format(self) -> str:
        """Return the format that the address asks for; CSV for one that does not exist."""
        asked = request.args.get("format", "")
        return asked if asked in self.formats else "csv"

    def answer(self) -> Response:
        """Return the file, or lead to the page that offers a run which makes it."""
        spend(EXPORTS_OF_PERSON)
        filters, format_ = self.filters(None), self.asked_format()
        limit = settings().export_rows_at_once
        count = self.count(filters, limit)
        if count > limit:
            asked: dict[str, Any] = {
                **filters.raw,
                **({"sort": filters.sort_key} if filters.sort_key else {}),
                "format": format_,
            }
            return redirect(url_for("runs.new_export", name=self.kind.name, **asked), 303)
        if self.before is not None:
            self.before(format_, count, filters)
        rows = self._rows(filters)
        if format_ in self.lines:
            body = "".join(map(self.lines[format_], rows))
            return export_text(self.slug, body, format_)
        return export(self.slug, self.columns, rows, format_)

    def _rows(self, filters: Filters) -> Iterator[Any]:
        cursor: str | None = None
        while True:
            page = self.page(filters, cursor, _PAGE)
            yield from page.rows
            if page.next is None:
                return
            cursor = page.next

    # --- as a run -----------------------------------------------------------------------------------------------------

    def start(self, filters: Filters, format_: str, count: int) -> Any:
        """Queue the run and return its id. Raises RuleBroken for more rows than Excel is given."""
        if format_ == "xlsx" and count > EXCEL_ROWS:
            raise RuleBroken(
                "TOO_MANY_FOR_EXCEL",
                f"More than {EXCEL_ROWS:,} rows are made as CSV, which spreadsheets open as well.",
            )
        if self.before is not None:
            self.before(format_, count, filters)
        kept = {**filters.raw, **({"sort": filters.sort_key} if filters.sort_key else {})}
        title = f"{self.kind.title}, {count_of(count, 'row')} as {format_.upper()}"
        return actions.start_run(self.kind.name, {"filters": kept, "format": format_, "count": count}, title=title)

    def _step(self, folder: Path, parameters: Mapping[str, Any], state: Mapping[str, Any]) -> Step:
        """Write one more page of rows. What was written beyond the kept state, by a worker that died, is cut off."""
        format_, spool = parameters["format"], folder / _SPOOL
        if not state or not spool.is_file() or spool.stat().st_size < state["bytes"]:
            # The beginning, or a machine that has not got what another one wrote.
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            spool.write_text(csv_heading(self.columns) if format_ == "csv" else "", encoding="utf-8", newline="")
            state = {"bytes": spool.stat().st_size, "cursor": None, "done": 0}
        page = self.page(self.filters(parameters["filters"]), state["cursor"], _PAGE)
        with spool.open("r+b") as target:
            target.truncate(state["bytes"])
            target.seek(0, os.SEEK_END)
            target.write("".join(self._line(row, format_) for row in page.rows).encode())
            target.flush()
            os.fsync(target.fileno())
            size = target.tell()
        done = state["done"] + len(page.rows)
        reached = {"bytes": size, "cursor": page.next, "done": done}
        if page.next is not None:
            return Step(reached, done, max(parameters["count"], done))
        return Step(reached, done, done, self._finished(spool, format_))

    def _line(self, row: Any, format_: str) -> str:
        if format_ in self.lines:
            return self.lines[format_](row)
        if format_ == "csv":
            return csv_line(self.columns, row)
        return json.dumps([packed(value) for value in sheet_cells(self.columns, row)], ensure_ascii=False) + "\n"

    def _finished(self, spool: Path, format_: str) -> Path:
        path = spool.with_name(f"{self.slug}.{format_}")
        if format_ != "xlsx":
            # Linked, not moved: should the end not be kept, the next worker finds the rows still there.
            path.unlink(missing_ok=True)
            os.link(spool, path)
            return path
        with spool.open(encoding="utf-8") as lines, path.open("wb") as target:
            rows = ([unpacked(value) for value in json.loads(line)] for line in lines)
            headings = [Column(column.heading, _nth(at)) for at, column in enumerate(self.columns)]
            write_xlsx(headings, rows, target, is_ready=True)
        return path


def _nth(at: int) -> Callable[[Sequence[Any]], Any]:
    return lambda row: row[at]


def export_text(name: str, body: str, format_: str) -> Response:
    """Return text as a file to download."""
    headers = {"Content-Disposition": f'attachment; filename="{name}.{format_}"'}
    return Response(body, mimetype=f"application/{format_}", headers=headers)


@bp.route("/exports/<name>", methods=["GET", "POST"])
@signed_in
def new_export(name: str) -> Any:
    """Say how many rows a large export has, and start the run that makes its file."""
    known = LISTS.get(name)
    if known is None:
        raise NotFound("list")
    check(known.permission, reading=True)
    filters, format_ = known.filters(None), known.asked_format()
    count = known.count(filters, COUNTED_UP_TO)
    if request.method == "POST":
        spend(EXPORTS_OF_PERSON)
        run_id = known.start(filters, format_, count)
        return redirect(url_for("runs.show", run_id=run_id), 303)
    return render_template(
        "runs/new_export.html",
        known=known,
        filters=filters,
        format=format_,
        count=count,
        counted_up_to=COUNTED_UP_TO,
        at_once=settings().export_rows_at_once,
        is_too_large=format_ == "xlsx" and count > EXCEL_ROWS,
        excel_rows=EXCEL_ROWS,
    )
