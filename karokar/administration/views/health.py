"""System health: whether every part is at work, and what to do where one is not."""

import platform
import shutil
from importlib.metadata import version

from flask import render_template

from karokar import __version__
from karokar.administration.permissions import EVENT_OPERATE
from karokar.administration.views.blueprint import bp
from karokar.audit import facts as audit
from karokar.files import scanner
from karokar.files.lost import count_lost
from karokar.kernel.permissions import requires
from karokar.kernel.schedule import JOBS, WHOLE_JOB, list_failures
from karokar.kernel.settings import settings
from karokar.notification import facts as notification
from karokar.outbox.monitoring.health import Part, in_bytes, parts
from karokar.web.health import readiness

LITTLE_SPACE = 500_000_000


@bp.get("/health")
@requires(EVENT_OPERATE)
def health() -> str:
    """Show every part of the installation and how it is."""
    failures = list_failures()
    found = [*_migrations(), *parts(), scheduled_jobs(len(failures)), storage(), stored_files(), mail(), audit_log()]
    worst = next((status for status in ("down", "degraded") if any(part.status == status for part in found)), "ok")
    return render_template(
        "administration/health.html",
        parts=found,
        worst=worst,
        failures=failures,
        whole_job=WHOLE_JOB,
        jobs=sorted(JOBS.values(), key=lambda job: job.name),
        build={
            "KaroKar": __version__,
            "Python": platform.python_version(),
            "Flask": version("flask"),
            "SQLAlchemy": version("sqlalchemy"),
            "Machine": f"{platform.system()} {platform.machine()}",
            "Environment": settings().environment,
            "Delivers events": settings().event_bus_dispatcher,
        },
    )


def _migrations() -> list[Part]:
    return [
        Part(name=check.name.capitalize(), status="ok" if check.is_ok else "down", sentence=_sentence(check.sentence))
        for check in readiness()
        if check.name == "migrations"
    ]


def _sentence(text: str) -> str:
    return "The database is of this version." if text == "ok" else text


def scheduled_jobs(failing: int) -> Part:
    """Whether the clock's jobs succeed."""
    name = "Scheduled jobs"
    if failing:
        sentence = "Some entries fail again and again. They hold up no others; the list below says which and why."
        return Part(name=name, status="degraded", sentence=sentence, detail=f"{failing:,} failing")
    return Part(name=name, status="ok", sentence="Every job succeeds.")


def storage() -> Part:
    """Whether there is room for documents and the embedded database."""
    free = shutil.disk_usage(settings().data).free
    if free < LITTLE_SPACE:
        return Part(
            name="Storage",
            status="degraded",
            sentence="Little room is left for documents and the database. Make room, or move the data directory.",
            detail=f"{in_bytes(free)} free",
        )
    return Part(name="Storage", status="ok", sentence="There is room.", detail=f"{in_bytes(free)} free")


def stored_files() -> Part:
    """Whether the files that were handed in are what they were, and can be scanned."""
    if lost := count_lost():
        files = "file is" if lost == 1 else "files are"
        return Part(
            name="Stored files",
            status="degraded",
            sentence=f"{lost:,} {files} missing or damaged. Bring the folder documents back from a backup.",
            detail="The log names each of them.",
        )
    if settings().clamd is not None and not scanner.answers():
        return Part(
            name="Stored files",
            status="degraded",
            sentence="The malware scanner does not answer, so no file is accepted. Start clamd.",
            detail="",
        )
    return Part(name="Stored files", status="ok", sentence="No file was found missing or damaged.", detail="")


def mail() -> Part:
    """Whether mails leave."""
    counts: dict[str, int] = notification.count_by_state()
    detail = ", ".join(f"{count:,} {state.lower().replace('_', ' ')}" for state, count in sorted(counts.items()))
    if settings().smtp_url is None:
        return Part(
            name="Mail",
            status="off",
            sentence="No mail server is set: mails are kept and can be read here. Set KAROKAR_SMTP_URL to send them.",
            detail=detail,
        )
    if notification.is_sending_late():
        return Part(
            name="Mail",
            status="degraded",
            sentence="Mails have waited too long. Look whether a relay runs and the mail server answers.",
            detail=detail,
        )
    return Part(name="Mail", status="ok", sentence="Mails are sent.", detail=detail)


def audit_log() -> Part:
    """Whether records get their seals in time."""
    status = audit.chain_status()
    if status.newest_record == 0:
        return Part(name="Audit log", status="ok", sentence="Nothing has happened yet.", detail="")
    detail = f"sealed up to position {status.newest_seal:,} of {status.newest_record:,}"
    if status.fault is not None:
        return Part(
            name="Audit log",
            status="down",
            sentence=f"Position {status.fault.position:,}: {status.fault.problem} Run `flask audit verify`.",
            detail=detail,
        )
    if status.is_late:
        return Part(
            name="Audit log",
            status="degraded",
            sentence="Records wait for their seal. Look whether a relay runs and no audit delivery is open.",
            detail=detail,
        )
    return Part(name="Audit log", status="ok", sentence="Records are sealed as they are written.", detail=detail)
