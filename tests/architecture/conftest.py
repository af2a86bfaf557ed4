"""A copy of the project, in which tests break rules."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from karokar.config import PROJECT
from tests.architecture.source import House

WHAT_RULES_READ = ("karokar", "templates", "static", "migrations")

Rule = Callable[[Path], list[str]]


@pytest.fixture(scope="session")
def copy_of_the_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("house")
    for part in WHAT_RULES_READ:
        shutil.copytree(PROJECT / part, root / part, ignore=shutil.ignore_patterns("__pycache__", "img"))
    return root


@contextmanager
def planted(root: Path, name: str, code: str) -> Iterator[Path]:
    """Add code to a file of the copy, or a file to it (no code: an empty file), and take it away again.

    `{publish}`, `{handles}`, `{fact}` and so on in the code stand for the module that defines this.
    """
    for defined in ("publish", "handles", "fact", "AGGREGATES"):
        if f"{{{defined}}}" in code:
            code = code.replace(f"{{{defined}}}", House(root).defining(defined))
    path = root / name
    before = path.read_bytes() if path.exists() else None
    missing = [parent for parent in path.parents if not parent.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((before or b"") + f"\n{code}\n".encode() if code else b"")
    try:
        yield path
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_bytes(before)
        for parent in missing:
            if not any(parent.iterdir()):
                parent.rmdir()


def unnoticed(root: Path, rule: Rule, breaches: Sequence[tuple[str, str, str]]) -> list[str]:
    """Plant breaches into the copy, each (where, code, how it is reported), and return those that the rule misses.

    `where` is a file, or a role such as "karokar/fleet/handlers": then the breach gets a file of its own there, so that
    nothing else in the file gives it away.
    """
    placed = [
        (where if Path(where).suffix or (root / where).is_file() else f"{where}/planted_{number}.py", code, named)
        for number, (where, code, named) in enumerate(breaches)
    ]
    with ExitStack() as stack:
        for name, code, _ in placed:
            stack.enter_context(planted(root, name, code))
        lines = rule(root)
    return [
        f"{name}: {code!r} is not reported as {named!r}"
        for name, code, named in placed
        if not any(named in line and (line.startswith(name) or named.startswith(line.split(" ")[0])) for line in lines)
    ]
