"""The house rules that no ready-made tool checks. Each takes a tree's root and returns what breaks it, one line each."""

import ast
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from karokar.contexts import CONTEXTS

ROLES = {"permissions", "rules", "models", "queries", "actions", "handlers", "forms", "views", "api", "cli"}
# Files that only one context has, and why.
ALSO = {
    "availability": {"free"},  # the one answer to "is it free?" asks other contexts, which no query may
    "booking": {"circumstances"},  # what a request is judged by asks other contexts, for pages and actions alike
    "identity": {"resolver"},  # app.py gives it to the guard: who is acting
}
NOT_CONTEXTS = {"kernel", "events", "files", "outbox", "runs", "web", "supervisor", "demo"}
NAMES_THAT_SAY_NOTHING = {"utils", "util", "helpers", "helper", "common", "misc", "stuff", "base_utils"}
LONGEST_FILE = 450
PRODUCER_PACKAGES = {"delivery": "outbox"}


def python_files(root: Path, under: str = "karokar") -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted((root / under).rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def place(root: Path, path: Path, node: ast.AST | None = None) -> str:
    line = f":{node.lineno}" if node is not None and hasattr(node, "lineno") else ""
    return f"{path.relative_to(root)}{line}"


def role_of(root: Path, path: Path) -> tuple[str, str]:
    """Context (or other package) and role of a file: karokar/booking/views/calendar.py is (booking, views)."""
    parts = path.relative_to(root / "karokar").parts
    return (parts[0], parts[1].removesuffix(".py")) if len(parts) > 1 else ("", parts[0].removesuffix(".py"))


def dotted(node: ast.AST) -> str:
    """`a.b.c` of an expression made of names and attributes; what is called or indexed on the way is left out."""
    names: list[str] = []
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Attribute):
            names.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Subscript):
            node = node.value
        else:
            return ".".join(reversed(names))
    return ".".join(reversed([*names, node.id]))


def imports(tree: ast.Module) -> Iterator[tuple[ast.stmt, str, list[tuple[str, str]]]]:
    """Each import: the statement, the module, and (name, as) of what is taken from it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name, []
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node, node.module, [(alias.name, alias.asname or alias.name) for alias in node.names]


# ----------------------------------------------------------------------------------------------------------------------


def every_package_is_in_the_one_list(root: Path) -> list[str]:
    packages = {path.parent.name for path in (root / "karokar").glob("*/__init__.py")}
    nameless = {
        path.name for path in (root / "karokar").iterdir() if path.is_dir() and any(path.glob("*.py"))
    } - packages
    return [
        *(
            f"karokar/{name} is neither in CONTEXTS nor a known part of the house"
            for name in sorted(packages - set(CONTEXTS) - NOT_CONTEXTS)
        ),
        *(f"CONTEXTS names {name}, which does not exist" for name in CONTEXTS if name not in packages),
        *(f"karokar/{name} has no __init__.py" for name in sorted(nameless)),
    ]


def files_have_role_names(root: Path) -> list[str]:
    broken = []
    for path, _ in python_files(root):
        context, role = role_of(root, path)
        if path.stem in NAMES_THAT_SAY_NOTHING or role in NAMES_THAT_SAY_NOTHING:
            broken.append(f"{place(root, path)}: the name says nothing")
        if context in CONTEXTS and role not in ROLES | ALSO.get(context, set()) | {"__init__"}:
            broken.append(f"{place(root, path)}: a context's file is named by its role")
    return broken


def packages_hold_a_docstring_and_no_code(root: Path) -> list[str]:
    broken = []
    for path, tree in python_files(root):
        context, role = role_of(root, path)
        if path.name != "__init__.py" or (context and role != "__init__"):
            continue
        if not ast.get_docstring(tree):
            broken.append(f"{place(root, path)}: no docstring")
        if len(tree.body) > 1:
            broken.append(f"{place(root, path)}: holds code")
    return broken


def files_stay_readable(root: Path) -> list[str]:
    lengths = {
        path: len(path.read_text(encoding="utf-8").splitlines()) for path in sorted((root / "karokar").rglob("*.py"))
    }
    return [
        f"{place(root, path)}: {lines} lines, make it a package"
        for path, lines in lengths.items()
        if lines > LONGEST_FILE
    ]


def the_clock_is_the_only_source_of_time(root: Path) -> list[str]:
    forbidden = re.compile(
        r"(^|\.)(datetime\.now|datetime\.utcnow|datetime\.today|date\.today|time\.time|time\.time_ns)$"
    )
    return [
        f"{place(root, path, node)}: {dotted(node.func)}()"
        for path, tree in python_files(root)
        if path.relative_to(root).as_posix()
        not in {"karokar/kernel/clock.py", "karokar/kernel/ids.py"}  # ids begin with it
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and forbidden.search(dotted(node.func))
    ]


def only_the_kernel_and_the_engine_end_transactions(root: Path) -> list[str]:
    allowed = {root / "karokar/kernel/db.py"}
    return [
        f"{place(root, path, node)}: {dotted(node.func)}()"
        for path, tree in python_files(root)
        if path not in allowed and role_of(root, path)[0] not in {"outbox", "supervisor"}
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"commit", "begin", "begin_nested"}
        and "session" in dotted(node.func)
    ]


def views_leave_the_database_to_actions_and_queries(root: Path) -> list[str]:
    return [
        f"{place(root, path, node)}: {dotted(node)}"
        for path, tree in python_files(root)
        if role_of(root, path)[1] in {"views", "api", "forms"}
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and dotted(node).endswith("db.session")
    ]


def queries_ask_their_own_tables(root: Path) -> list[str]:
    """A query reads its own context's models with the kernel's means; it neither tells nor asks others."""
    own = {"models", "queries", "rules", "permissions"}
    broken = []
    for path, tree in python_files(root):
        context, role = role_of(root, path)
        if context not in CONTEXTS or role != "queries":
            continue
        for node, module, names in imports(tree):
            parts = module.split(".")
            if parts[0] != "karokar" or (len(parts) > 1 and parts[1] in {"kernel", "events"}):
                continue
            roles = {parts[2]} if len(parts) > 2 else {name for name, _ in names}
            if len(parts) < 2 or parts[1] != context or not roles <= own:
                broken.append(f"{place(root, path, node)}: {module}")
    return broken


def only_the_producer_makes_its_events(root: Path) -> list[str]:
    broken = []
    for path, tree in python_files(root):
        package, _ = role_of(root, path)
        if package in {"events", "kernel"}:
            continue
        foreign: dict[str, str] = {}
        for _, module, names in imports(tree):
            producer = module.removeprefix("karokar.events.")
            if producer in {*CONTEXTS, *PRODUCER_PACKAGES}:
                owner = PRODUCER_PACKAGES.get(producer, producer)
                if owner != package:
                    foreign.update({as_name: producer for name, as_name in names if name[:1].isupper()})
        broken += [
            f"{place(root, path, node)}: {node.func.id} is {foreign[node.func.id]}'s to say"
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in foreign
        ]
    return broken


def foreign_ids_name_their_owner(root: Path) -> list[str]:
    """A column that holds another context's id has no foreign key, so a comment has to say whose it is."""
    broken = []
    for path, tree in python_files(root):
        context, role = role_of(root, path)
        if context not in CONTEXTS or role != "models":
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        for node in ast.walk(tree):
            if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
                continue
            name, annotation = node.target.id, ast.unparse(node.annotation)
            if f"{name.removesuffix('_id')}_type: Mapped" in "\n".join(lines):
                continue  # the column beside it says whose id it is
            is_id = name.endswith(("_id", "_by")) and "UUID" in annotation and "Mapped" in annotation
            if not is_id:
                continue
            end = node.end_lineno or node.lineno
            text = "\n".join(lines[node.lineno - 1 : end])
            above = lines[node.lineno - 2].strip() if node.lineno > 1 else ""
            if "ForeignKey" not in text and "#" not in text and "comment=" not in text and not above.startswith("#"):
                broken.append(f"{place(root, path, node)}: {name} does not say whose id it is")
    return broken


def templates_keep_the_content_security_policy(root: Path) -> list[str]:
    patterns = {
        "an inline style": re.compile(r"""\sstyle\s*=\s*["']|<style\b""", re.IGNORECASE),
        "an inline script": re.compile(r"<script(?![^>]*\bsrc=)(?![^>]*type=\"application/json\")", re.IGNORECASE),
        "an inline event handler": re.compile(r"""\son[a-z]+\s*=\s*["']""", re.IGNORECASE),
    }
    # A mail has no policy, and mail programs know no style sheets.
    pages = [path for path in sorted((root / "templates").rglob("*.html")) if "email" not in path.parts]
    return [
        f"{place(root, path)}:{number}: {what}"
        for path in pages
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for what, pattern in patterns.items()
        if pattern.search(line)
    ]


def vendored_files_are_the_ones_in_the_manifest(root: Path) -> list[str]:
    """Each line of the manifest begins with a SHA-256 and a path; what is served is exactly what it names."""
    vendor = root / "static/vendor"
    if not vendor.is_dir():
        return []
    manifest = vendor / "manifest"
    if not manifest.is_file():
        return ["static/vendor/manifest is missing"]
    lines = manifest.read_text(encoding="utf-8").splitlines()
    named = {path: digest for digest, path, *_ in (line.split() for line in lines if line and line[0] != "#")}
    there = {
        path.relative_to(vendor).as_posix(): path for path in vendor.rglob("*") if path.is_file() and path != manifest
    }
    return [
        *(f"static/vendor/{name} is not in the manifest" for name in sorted(there) if name not in named),
        *(f"static/vendor/{name} is in the manifest only" for name in sorted(named) if name not in there),
        *(
            f"static/vendor/{name} is not what the manifest says"
            for name, path in sorted(there.items())
            if name in named and hashlib.sha256(path.read_bytes()).hexdigest() != named[name]
        ),
    ]


RULES = (
    every_package_is_in_the_one_list,
    files_have_role_names,
    packages_hold_a_docstring_and_no_code,
    files_stay_readable,
    the_clock_is_the_only_source_of_time,
    only_the_kernel_and_the_engine_end_transactions,
    views_leave_the_database_to_actions_and_queries,
    queries_ask_their_own_tables,
    only_the_producer_makes_its_events,
    foreign_ids_name_their_owner,
    templates_keep_the_content_security_policy,
    vendored_files_are_the_ones_in_the_manifest,
)
