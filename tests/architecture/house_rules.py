"""The house rules that no ready-made tool checks. Each takes a tree's root and returns what breaks it, one line each."""

import ast
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from karokar.contexts import CONTEXTS
from tests.architecture.source import House, at, attribute_taken, place

ROLES = {
    "permissions",
    "rules",
    "models",
    "queries",
    "actions",
    "handlers",
    "forms",
    "views",
    "api",
    "cli",
    "console",
    "facts",
    "runs",
}
# Files that only one context has, and why.
ALSO = {
    "availability": {"free"},  # the one answer to "is it free?" asks other contexts, which no query may
    "booking": {"circumstances"},  # what a request is judged by asks other contexts, for pages and actions alike
    "identity": {"resolver"},  # app.py gives it to the guard: who is acting
}
NOT_CONTEXTS = {"kernel", "events", "files", "outbox", "pages", "runs", "web", "supervisor", "demo"}
NAMES_THAT_SAY_NOTHING = {"utils", "util", "helpers", "helper", "common", "misc", "stuff", "base_utils"}
SECOND_LEVEL = {
    "access", "account", "accounts", "application", "authority", "blueprint", "booking", "bootstrap", "bulk",
    "calendar", "candidates", "catalog", "chain", "checkpoints", "clock_jobs", "confirm", "conflicts",
    "coverage", "decisions", "deliveries", "delivery", "detail", "devices", "drafts", "endings", "events",
    "examples", "facts", "filters", "handover", "health", "held_mails", "home", "imports", "invitations",
    "links", "lists", "locking", "maintenance", "market", "matrix", "members", "messages", "obstacles",
    "odometer", "other_accounts", "own_account", "pages", "passwords", "people", "periods", "presenter",
    "protection", "records", "recovery", "rendering", "replay", "reports", "resets", "review", "reviews",
    "roles", "sealing", "search", "second_factor", "sending", "sessions", "settings", "sign_in", "signatures",
    "strip", "texts", "timeline", "tokens", "transitions", "tries", "trip", "vehicles", "visibility", "waiting",
    "watching",
}  # fmt: skip
"""The files inside a context's packages. A new name is a word that somebody has to learn: take one of these if it fits."""
FORMER_WORDS = {
    "Overtaken": "ClaimLost", "Standing": "ShardState", "Trouble": "DeferredDelivery", "trouble": "deferred_row",
    "troubles": "deferred_rows", "react": "invoke", "mend": "rebase_after_restore", "careful": "isolated",
    "catch_up": "work_off_backlog", "put_off": "snooze", "oneself": "own_account", "giving": "handover",
    "deciding": "decisions", "loading": "locking", "whohad": "custody",
}  # fmt: skip
"""Names that nobody outside this project knew, and what they are called now: docs/glossary.md."""
LONGEST_FILE = 450
MOST_FILES = 14  # the events: one file per producer, and three that all of them share
READS_THE_TIME = re.compile(
    r"(datetime\.datetime\.(now|utcnow|today)|datetime\.date\.today|time\.(time|time_ns|localtime|gmtime|ctime|asctime)"
    r"|sqlalchemy(\.\w+)*\.func\.(now|current_\w+|local\w+|sysdate|\w+_timestamp|timeofday))"
)
ENDS_TRANSACTIONS = {"commit", "begin", "begin_nested"}
OWN_TRANSACTIONS = {
    "submissions": "whether a form was sent before is noted on a connection of its own, whatever becomes of its work",
}
"""Files that end transactions of their own, and why."""


def python_files(root: Path) -> Iterator[tuple[Path, ast.Module]]:
    for module in House(root):
        yield module.path, module.tree


def role_of(root: Path, path: Path) -> tuple[str, str]:
    """Context (or other package) and role of a file: karokar/booking/views/calendar.py is (booking, views)."""
    parts = path.relative_to(root / "karokar").parts
    return (parts[0], parts[1].removesuffix(".py")) if len(parts) > 1 else ("", parts[0].removesuffix(".py"))


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
        path.name for path in (root / "karokar").iterdir() if path.is_dir() and any(path.rglob("*.py"))
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


def files_in_packages_have_known_names(root: Path) -> list[str]:
    return [
        f"{place(root, path)}: {path.stem} is not in SECOND_LEVEL. Take a name that is, or add it there."
        for path, _ in python_files(root)
        if role_of(root, path)[0] in CONTEXTS and len(path.relative_to(root).parts) > 3
        if path.stem != "__init__" and path.stem not in SECOND_LEVEL
    ]


def names_are_the_terms_of_the_field(root: Path) -> list[str]:
    found = []
    for module in House(root):
        where = place(root, module.path)
        if module.path.stem in FORMER_WORDS:
            found.append(f"{where}: is called {FORMER_WORDS[module.path.stem]} now.")
        for node in module.nodes:
            name = getattr(node, "id", None) or getattr(node, "attr", None) or getattr(node, "name", None)
            if isinstance(name, str) and name in FORMER_WORDS:
                found.append(f"{where}:{getattr(node, 'lineno', 0)}: {name} is called {FORMER_WORDS[name]} now.")
    return found


def packages_hold_a_docstring_and_no_code(root: Path) -> list[str]:
    broken = []
    for path, tree in python_files(root):
        context, role = role_of(root, path)
        if path.name != "__init__.py" or (context and role != "__init__"):
            continue
        if not ast.get_docstring(tree):
            broken.append(f"{place(root, path)}: no docstring")
        if len(tree.body) > 1 and path.parent != root / "karokar":  # which says its version
            broken.append(f"{place(root, path)}: holds code")
    return broken


def files_stay_readable(root: Path) -> list[str]:
    lengths = {
        path: len(path.read_text(encoding="utf-8").splitlines()) for path in sorted((root / "karokar").rglob("*.py"))
    }
    if not lengths:
        raise LookupError("There is no Python file to measure.")
    return [
        f"{place(root, path)}: {lines} lines, make it a package"
        for path, lines in lengths.items()
        if lines > LONGEST_FILE
    ]


def packages_stay_small(root: Path) -> list[str]:
    files = Counter(path.parent for path in (root / "karokar").rglob("*.py") if path.name != "__init__.py")
    if not files:
        raise LookupError("There is no Python file to count.")
    return [
        f"{place(root, package)}: {count} files, cut it into packages"
        for package, count in sorted(files.items())
        if count > MOST_FILES
    ]


def the_clock_is_the_only_source_of_time(root: Path) -> list[str]:
    """Whoever takes the time from elsewhere cannot be told by a test what time it is."""
    house = House(root)
    # Ids begin with the time, and what processes compare is told by the database.
    allowed = {house.defining("stands_at"), house.defining("new_id"), house.defining("database_now")}
    return sorted(
        {
            f"{at(module, node)}: {origin} tells the time. Ask karokar.kernel.clock.now()."
            for module in house
            if module.name not in allowed
            for node, origin in house.references(module)
            if READS_THE_TIME.fullmatch(origin)
        }
    )


def only_the_kernel_and_the_engine_end_transactions(root: Path) -> list[str]:
    """Only `@action` and `transaction()` commit: state and event, or neither."""
    house = House(root)
    kernel = house.defining("transaction", "action")
    return sorted(
        {
            f"{at(module, node)}: {name}() ends a transaction by itself. Let an @action do it."
            for module in house
            if module.name != kernel and module.context not in {"outbox", "supervisor"}
            if not (module.context == "web" and module.path.stem in OWN_TRANSACTIONS)
            for node in module.nodes
            if isinstance(node, ast.Call)
            and (name := node.func.attr if isinstance(node.func, ast.Attribute) else attribute_taken(node))
            in ENDS_TRANSACTIONS
            # An aggregate's own verb says when: `window.begin(at=…)`.
            and not (name == "begin" and {option.arg for option in node.keywords} - {"nested"})
        }
    )


def views_leave_the_database_to_actions_and_queries(root: Path) -> list[str]:
    """A page parses, permits, calls one action or query, and answers."""
    house = House(root)
    kernel = house.defining("transaction", "action")
    forbidden = {f"{kernel}.db", f"{kernel}.transaction", f"{kernel}.action", "flask_sqlalchemy", "sqlalchemy"}
    return sorted(
        {
            f"{at(module, node)}: {origin} in {module.role}. Move it into an action or a query."
            for module in house
            if (module.context in CONTEXTS and module.role in {"views", "api", "forms", "cli"})
            or module.context == "pages"
            for node, origin in house.references(module)
            if any(origin == one or origin.startswith(f"{one}.") for one in forbidden)
        }
    )


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
            is_id = name.endswith(("_id", "_by")) and re.search(r"UUID|\w+Id\b", annotation) and "Mapped" in annotation
            if not is_id:
                continue
            end = node.end_lineno or node.lineno
            above = lines[node.lineno - 2].strip() if node.lineno > 1 else ""
            text = "\n".join([above if above.startswith("#") else "", *lines[node.lineno - 1 : end]])
            says_whose = re.search(r"ForeignKey|comment=|#(?! *(noqa|type:|fmt:|pragma))", text)
            if not says_whose:
                broken.append(f"{place(root, path, node)}: {name} does not say whose id it is")
    return broken


def templates_keep_the_content_security_policy(root: Path) -> list[str]:
    patterns = {
        "an inline style": re.compile(r"""\sstyle\s*=\s*["']|<style\b""", re.IGNORECASE),
        "an inline script": re.compile(r"<script(?![^>]*\bsrc=)(?![^>]*type=\"application/json\")", re.IGNORECASE),
        "an inline event handler": re.compile(r"""\s(on[a-z]+|hx-on[\w:-]*)\s*=\s*["']""", re.IGNORECASE),
        "a script as an address": re.compile(r"""=\s*["']\s*javascript:""", re.IGNORECASE),
    }
    # A mail has no policy, and mail programs know no style sheets.
    pages = [path for path in sorted((root / "templates").rglob("*.html")) if "email" not in path.parts]
    return [
        f"{place(root, path)}:{text.count(chr(10), 0, found.start()) + 1}: {what}"
        for path in pages
        for text in [path.read_text(encoding="utf-8")]
        for what, pattern in patterns.items()
        for found in pattern.finditer(text)
    ] or ([] if pages else ["templates: no page was found, so none was read"])


def vendored_files_are_the_ones_in_the_manifest(root: Path) -> list[str]:
    """Each line of the manifest begins with a SHA-256 and a path; what is served is exactly what it names."""
    vendor = root / "static/vendor"
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


FIRST_STATUS = {"apply", "request", "invite"}
"""Methods that give a new thing its first status: it comes from nowhere."""


def a_status_changes_by_its_machine(root: Path) -> list[str]:
    """A status that is set past the table of transitions can lead where nobody expects it."""
    found = []
    for module in House(root).of_contexts():
        if module.role not in {"models", "actions", "handlers"}:
            continue
        for function in module.nodes:
            if not isinstance(function, ast.FunctionDef) or function.name in FIRST_STATUS:
                continue
            found += [
                f"{at(module, node)}: a status by name. Ask its machine: MACHINE.next(status, verb)."
                for node in ast.walk(function)
                if isinstance(node, ast.Assign) and sets_a_status_by_name(node)
            ]
    return found


def sets_a_status_by_name(node: ast.Assign) -> bool:
    for target in node.targets:
        pairs = [(target, node.value)]
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = list(zip(target.elts, node.value.elts, strict=True))
        for one, value in pairs:
            if isinstance(one, ast.Attribute) and one.attr == "status":
                said = value.value if isinstance(value, ast.Attribute) and value.attr == "value" else value
                if isinstance(said, ast.Constant):
                    return True
                if isinstance(said, ast.Attribute) and ast.unparse(said.value).endswith("Status"):
                    return True
    return False


KNOW_EACH_OTHER = {
    ("assignment", "booking"): "a booking is promised to a person by an assignment, which ends and begins with it",
    (
        "availability",
        "booking",
    ): "a booking asks whether the vehicle is free, and what is free depends on bookings whose "
    "events are still on their way",
}
"""The pairs of contexts that ask each other, and why it cannot be one way."""


def contexts_ask_each_other_where_they_must(root: Path) -> list[str]:
    """Two contexts that ask each other can't be understood, tested or moved one by one."""
    asked: dict[tuple[str, str], set[str]] = {}
    for module in House(root).of_contexts():
        for _node, name, taken in imports(module.tree):
            parts = name.split(".")
            others = [parts[1]] if parts[0] == "karokar" and len(parts) > 1 else []
            others += [one for one, _as in taken] if name == "karokar" else []
            for other in others:
                if other in CONTEXTS and other != module.context:
                    asked.setdefault((module.context, other), set()).add(place(root, module.path))
    if not asked:
        raise LookupError("No context asks another one.")
    mutual = {pair for pair in asked if pair[::-1] in asked and pair < pair[::-1]}
    return [
        *(
            f"{where}: {pair[0]} and {pair[1]} ask each other. "
            "Compose them in karokar.pages, or ask karokar.kernel.ports."
            for pair in sorted(mutual - KNOW_EACH_OTHER.keys())
            for where in sorted(asked[pair] | asked[pair[::-1]])
        ),
        *(
            f"{one} and {other} no longer ask each other: take them out"
            for one, other in KNOW_EACH_OTHER.keys() - mutual
        ),
    ]


def shared_code_knows_no_context(root: Path) -> list[str]:
    """What all share asks `kernel.ports`: a page of a context, or an event, that it names can be gone unnoticed."""
    pages = re.compile(rf"({'|'.join([*CONTEXTS, 'runs'])})\.[a-z_]+")
    events = {
        decorator.args[0].value
        for module in House(root)
        for node in module.nodes
        if isinstance(node, ast.ClassDef)
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "fact" and decorator.args
        if isinstance(decorator.args[0], ast.Constant)
    }
    if not events:
        raise LookupError("No event is declared.")
    permissions = {
        node.args[0].value
        for module in House(root)
        for node in module.nodes
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "define" and isinstance(node.args[0], ast.Constant)
    }
    found = []
    for module in House(root):
        part = place(root, module.path).split("/")[1]
        if part not in {"web", "kernel", "outbox", "files", "events"}:
            continue
        told = {id(node.value) for node in module.nodes if isinstance(node, ast.Expr)}
        told |= {id(node.value) for node in module.nodes if isinstance(node, ast.keyword) and node.arg == "comment"}
        for node in module.nodes:
            if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in told:
                continue
            if pages.fullmatch(node.value) and node.value not in permissions:
                found.append(f"{at(module, node)}: {node.value} is a context's page. Ask karokar.kernel.ports.")
            elif part == "web" and node.value in events:
                found.append(f"{at(module, node)}: {node.value} is an event. Say how it reads in @fact.")
    return found


def extensions_are_looked_up_in_the_kernel(root: Path) -> list[str]:
    """A name that is mistyped would answer nothing, in silence."""
    return [
        f"{at(module, node)}: app.extensions by a name. Ask karokar.kernel.ports, or keep it in your module."
        for module in House(root)
        if not place(root, module.path).startswith("karokar/kernel/")
        for node in module.nodes
        if isinstance(node, ast.Attribute) and node.attr == "extensions"
    ]


RULES = (
    a_status_changes_by_its_machine,
    files_in_packages_have_known_names,
    names_are_the_terms_of_the_field,
    contexts_ask_each_other_where_they_must,
    shared_code_knows_no_context,
    extensions_are_looked_up_in_the_kernel,
    every_package_is_in_the_one_list,
    files_have_role_names,
    packages_hold_a_docstring_and_no_code,
    files_stay_readable,
    packages_stay_small,
    the_clock_is_the_only_source_of_time,
    only_the_kernel_and_the_engine_end_transactions,
    views_leave_the_database_to_actions_and_queries,
    queries_ask_their_own_tables,
    foreign_ids_name_their_owner,
    templates_keep_the_content_security_policy,
    vendored_files_are_the_ones_in_the_manifest,
)
