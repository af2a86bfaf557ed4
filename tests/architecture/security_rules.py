"""What docs/security.md promises about the code itself. Each rule takes a tree's root and returns what breaks it, one
line each.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.source import House, Module, place

TALKS_TO_OTHERS = {
    "asyncio", "ftplib", "http.client", "httpx", "imaplib", "poplib", "psycopg", "redis", "requests", "rq", "smtplib",
    "socket", "telnetlib", "urllib.request", "urllib3", "xmlrpc.client",
}  # fmt: skip
MAY_TALK = {
    "karokar/audit/actions/delivery.py": "the receiver of audit checkpoints, which the operator sets",
    "karokar/files/scanner.py": "the malware scanner",
    "karokar/kernel/database/driver.py": "the database",
    "karokar/kernel/db.py": "the database",
    "karokar/kernel/smtp.py": "the mail server",
    "karokar/notification/actions/sending.py": "the mail server",
    "karokar/outbox/wakeup.py": "Redis",
    "karokar/supervisor/up.py": "whether a port of this machine is free",
    "karokar/supervisor/valkey.py": "the Valkey that it started",
    "karokar/supervisor/watch.py": "the processes that it started",
    "karokar/supervisor/web_worker.py": "the browsers that connect",
    "karokar/worker.py": "Redis",
}
"""Every module that opens connections, and to whom: an address is never one that a user typed."""

CRYPTOGRAPHY = {
    "argon2": {"identity/rules"},
    "cryptography": {"kernel/database/sealed.py"},
    "itsdangerous": {"identity/rules/tokens.py"},
    "pyotp": {"identity/rules/second_factor.py"},
}
"""Libraries that encrypt, hash slowly and sign, and where alone they are used."""
WEAK_HASHES = {"md5", "sha1", "new", "md4", "ripemd160"}
RANDOM_IS_ENOUGH = {"karokar/outbox/delivery/deferred.py", "karokar/outbox/delivery/drain.py"}
"""Where numbers are drawn that may be guessed: pauses, and whose turn it is."""

MARKUP_FROM_THE_SERVER = {
    "next.innerHTML": "a part that the server rendered",
    "list.innerHTML = html": "hits that the server rendered",
    "holder.innerHTML = html": "events that the server rendered",
}
"""What scripts put into pages as markup."""


def regular_expressions_are_written_in_the_code(root: Path) -> list[str]:
    """A pattern that somebody typed could take for ever to match (ASVS V1.2.9, V1.3.12)."""
    functions = {"compile", "findall", "finditer", "fullmatch", "match", "search", "split", "sub", "subn"}
    return [
        f"{at}: the pattern is made at run time. Write it in the code, or use re.escape."
        for module in House(root)
        for call, at in calls(module)
        if isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "re"
        and call.func.attr in functions
        and call.args
        and not is_written(call.args[0])
    ]


def formats_are_written_in_the_code(root: Path) -> list[str]:
    """A format that somebody typed could show what it should not (ASVS V1.3.10)."""
    return [
        f"{at}: the format is made at run time. Write it in the code."
        for module in House(root)
        for call, at in calls(module)
        if isinstance(call.func, ast.Attribute)
        and call.func.attr in {"format", "format_map"}
        and isinstance(call.func.value, ast.Subscript | ast.BinOp)
        and not is_written(call.func.value)
    ]


def fields_are_taken_one_by_one(root: Path) -> list[str]:
    """Whoever sends more fields than a form has must not set more than the form does (ASVS V15.3.3)."""
    found = []
    for module in House(root):
        for call, at in calls(module):
            if isinstance(call.func, ast.Attribute) and call.func.attr == "populate_obj":
                found.append(f"{at}: populate_obj sets whatever is called like a field. Name the arguments.")
            found += [
                f"{at}: everything that was sent becomes arguments. Name them."
                for keyword in call.keywords
                if keyword.arg is None
                and re.match(r"request\.(form|json|values|args|get_json)", ast.unparse(keyword.value))
            ]
    return found


def nobody_else_is_called(root: Path) -> list[str]:
    """The application calls what the operator set, and nothing else (ASVS V13.2.4, V13.2.5, V14.2.3)."""
    return [
        f"{place(root, module.path)}: {name} talks to others. Say to whom in MAY_TALK."
        for module in House(root)
        for name in sorted(imported(module))
        if any(name == one or name.startswith(f"{one}.") for one in TALKS_TO_OTHERS)
        and place(root, module.path) not in MAY_TALK
    ]


def cryptography_comes_from_well_kept_libraries(root: Path) -> list[str]:
    """Primitives are the libraries', and none is a weak one (ASVS V11.2.1, V11.2.3, V11.3.1, V11.4.1, V11.5.1)."""
    found = []
    for module in House(root):
        where = place(root, module.path)
        for name in sorted(imported(module)):
            library = name.split(".")[0]
            allowed = CRYPTOGRAPHY.get(library, set())
            if library in CRYPTOGRAPHY and not any(where.startswith(f"karokar/{one}") for one in allowed):
                found.append(f"{where}: {library} is used in {', '.join(sorted(allowed))} alone.")
            if library == "random" and where not in RANDOM_IS_ENOUGH:
                found.append(f"{where}: random can be guessed. Use secrets.")
            if library in {"Crypto", "nacl", "Cryptodome", "jwt", "jose"}:
                found.append(f"{where}: {library} is no library of this project.")
        found += [
            f"{where}: {node.attr} is too weak. Use SHA-256."
            for node in module.nodes
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "hashlib"
            and node.attr in WEAK_HASHES
        ]
    return found


def scripts_make_no_markup_of_text(root: Path) -> list[str]:
    """Text becomes text; markup comes from the server (ASVS V3.2.2). Nobody's text becomes code (V1.3.2)."""
    scripts = sorted((root / "static" / "js").rglob("*.js"))
    if not scripts:
        raise LookupError("There is no script to read.")
    found = []
    for path in scripts:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            at = f"{place(root, path)}:{number}"
            rest = line
            for known in MARKUP_FROM_THE_SERVER:
                rest = rest.replace(known, "")
            rest = re.sub(r"\.innerHTML = '[^'$]*'", "", rest)
            if re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment", rest):
                found.append(f"{at}: markup is made of something. Set textContent.")
            if re.search(r"\beval\(|new Function|setTimeout\(\s*['\"`]|__proto__", rest):
                found.append(f"{at}: text becomes code, or changes what objects are.")
    return found


def pages_are_html_alone(root: Path) -> list[str]:
    """No page needs what browsers no longer support (ASVS V3.7.1)."""
    templates = sorted((root / "templates").rglob("*.html"))
    if not templates:
        raise LookupError("There is no template to read.")
    return [
        f"{place(root, path)}: {match[0]} is no part of a page."
        for path in templates
        for match in re.finditer(r"<(object|embed|applet|frame|frameset|bgsound)\b", path.read_text("utf-8"))
    ]


RULES = (
    regular_expressions_are_written_in_the_code,
    formats_are_written_in_the_code,
    fields_are_taken_one_by_one,
    nobody_else_is_called,
    cryptography_comes_from_well_kept_libraries,
    scripts_make_no_markup_of_text,
    pages_are_html_alone,
)

# How they read ---------------------------------------------------------------------------------------------------------


def calls(module: Module) -> Iterator[tuple[ast.Call, str]]:
    """Yield each call inside a function: what runs when a module is loaded sees nothing that anybody typed."""
    seen: set[ast.Call] = set()
    for function in module.nodes:
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and node not in seen:
                    seen.add(node)
                    yield node, f"{place(module.root, module.path)}:{node.lineno}"


def imported(module: Module) -> set[str]:
    found: set[str] = set()
    for node in module.nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def is_written(node: ast.expr) -> bool:
    """Whether a text is made of what stands in the code: literals, constants, and what was escaped."""
    if isinstance(node, ast.Name | ast.Attribute):
        return (node.id if isinstance(node, ast.Name) else node.attr).lstrip("_").isupper()
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) == "re.escape"
    return isinstance(node, ast.Constant) or (
        isinstance(node, ast.JoinedStr | ast.FormattedValue | ast.BinOp | ast.Subscript)
        and all(is_written(part) for part in parts_of(node))
    )


def parts_of(node: ast.JoinedStr | ast.FormattedValue | ast.BinOp | ast.Subscript) -> list[ast.expr]:
    if isinstance(node, ast.JoinedStr):
        return node.values
    return [node.left, node.right] if isinstance(node, ast.BinOp) else [node.value]
