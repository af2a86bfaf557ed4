"""Whose table it is: no context reaches another's rows by another way than that context's queries.

Each rule takes a tree's root and returns what breaks it, one line each, with the way out.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from karokar.contexts import CONTEXTS
from tests.architecture.source import House, Module, at, attribute_taken

WAY_OUT = "Ask that context's queries, or let it react to an event"
ABOVE_THE_ENGINE = {*CONTEXTS, "pages", "web", "runs", "files", "demo"}
TABLES_BY_NAME = {"table", "Table", "TableClause", "MetaData", "literal_column", "TextClause", "DDL"}
PAST_SQLALCHEMY = {"exec_driver_sql", "raw_connection", "driver_connection", "dbapi_connection"}
DRIVERS = {"psycopg", "sqlite3", "alembic", "flask_migrate"}
MAY_USE = {"web": {"alembic"}}  # the check of health asks which revision the database is at
REGISTRIES = {"metadata", "registry", "__subclasses__", "_sa_registry", "_class_registry"}
NAMES_A_TABLE = re.compile(r"\b(from|join|into|update|table|truncate)\b", re.IGNORECASE)
LOADERS = {
    "importlib.import_module", "importlib.__import__", "__import__", "pkgutil.resolve_name", "runpy.run_module",
    "werkzeug.utils.import_string", "sys.modules", "builtins.__import__",
}  # fmt: skip
MAY_LOAD = {"karokar.app"}


def nobody_names_a_table_as_text(root: Path) -> list[str]:
    """Outside of the engine and the kernel a table is named by its class, which only its own context can import."""
    house = House(root)
    broken = []
    for module in house:
        if module.context not in ABOVE_THE_ENGINE:
            continue
        inside_functions = {
            id(inner)
            for node in module.nodes
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for inner in ast.walk(node)
            if inner is not node
        }
        calls = [node for node in module.nodes if isinstance(node, ast.Call)]
        plain = {id(call.func) for call in calls if _is_plain(call)}
        of_a_table = {id(call.func) for call in calls if module.role == "models" and id(call) not in inside_functions}
        for node, origin in house.references(module):
            library, last = origin.partition(".")[0], origin.rpartition(".")[2]
            if library in DRIVERS - MAY_USE.get(module.context, set()):
                broken.append(
                    f"{at(module, node)}: {library} goes past SQLAlchemy and every rule about tables. {WAY_OUT}."
                )
            elif isinstance(node, ast.ImportFrom | ast.Import):
                continue
            elif library == "sqlalchemy" and last in {"text", "literal_column"} and id(node) in of_a_table:
                continue  # a part of an index or a constraint, whose table is the class around it
            elif library == "sqlalchemy" and last in TABLES_BY_NAME:
                broken.append(
                    f"{at(module, node)}: {last}() names a table as text. Use the class of your own table. {WAY_OUT}."
                )
            elif library == "sqlalchemy" and last == "text" and id(node) not in plain:
                broken.append(
                    f"{at(module, node)}: SQL as text may name any table. Write it with your own classes. {WAY_OUT}."
                )
            elif last in PAST_SQLALCHEMY and not origin.startswith("karokar."):
                broken.append(f"{at(module, node)}: {last} runs SQL that no rule sees. {WAY_OUT}.")
        broken += [
            f"{at(module, node)}: {_attribute(node)} runs SQL that no rule sees. {WAY_OUT}."
            for node in module.nodes
            if _attribute(node) in PAST_SQLALCHEMY
            or (_attribute(node) == "cursor" and isinstance(node, ast.Attribute) and id(node) in _called(module))
        ]
    return sorted(set(broken))


def _attribute(node: ast.AST) -> str | None:
    return node.attr if isinstance(node, ast.Attribute) else attribute_taken(node)


def _called(module: Module) -> set[int]:
    return {id(node.func) for node in module.nodes if isinstance(node, ast.Call)}


def _is_plain(call: ast.Call) -> bool:
    """Whether a call's only text is a literal that names no table, as `text("select 1")`."""
    return (
        len(call.args) == 1
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
        and not NAMES_A_TABLE.search(call.args[0].value)
    )


def tables_of_contexts(house: House) -> dict[str, str]:
    """Context by the name of its table."""
    return {
        node.value.value: module.context
        for module in house.of_contexts()
        for node in module.nodes
        if isinstance(node, ast.Assign | ast.AnnAssign)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        and any(
            isinstance(target, ast.Name) and target.id == "__tablename__"
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        )
    }


def no_statement_as_text_is_about_a_contexts_table(root: Path) -> list[str]:
    """What the engine, the kernel and the supervisor write as text is about their own tables."""
    house = House(root)
    owners = tables_of_contexts(house)
    if not owners:
        return ["karokar: no context declares a table (__tablename__), so nothing can be compared."]
    about = re.compile(
        rf"""\b(?:from|join|into|update|table)\s+["`]?({"|".join(map(re.escape, owners))})\b["`]?(?!\s+[a-z]+ing\b)""",
        re.IGNORECASE,
    )
    statement = re.compile(r"^\W*(select|with|insert|update|delete|truncate|lock|alter)\b", re.IGNORECASE)
    return [
        f"{at(module, node)}: SQL about {found[1]}, a table of {owners[found[1].lower()]}. {WAY_OUT}."
        for module in house
        for node, value in _texts(module)
        if statement.search(value) and (found := about.search(value))
    ]


def _texts(module: Module) -> Iterator[tuple[ast.AST, str]]:
    docstrings = {
        id(node.body[0].value)
        for node in module.nodes
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in module.nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node, node.value
        elif isinstance(node, ast.JoinedStr):
            yield (
                node,
                "".join(
                    part.value for part in node.values if isinstance(part, ast.Constant) and isinstance(part.value, str)
                ),
            )


def aggregates_of_others_are_out_of_reach(root: Path) -> list[str]:
    """No context, page or run finds a class by a name: neither in the kernel's list nor in SQLAlchemy's registry."""
    house = House(root)
    kernel = house.defining("AGGREGATES")
    base = {f"{kernel}.Base", f"{kernel}.Aggregate"}
    broken = []
    for module in house:
        if module.context not in ABOVE_THE_ENGINE:
            continue
        for node, origin in house.references(module):
            owner, _, last = origin.rpartition(".")
            if origin == f"{kernel}.AGGREGATES" or origin.startswith(f"{kernel}.AGGREGATES."):
                broken.append(
                    f"{at(module, node)}: AGGREGATES reaches every context's aggregates. Name the class that you own. {WAY_OUT}."
                )
            elif (owner in base or owner.endswith(".registry")) and last in {*REGISTRIES, "mappers"}:
                broken.append(
                    f"{at(module, node)}: {last} of the base reaches every context's tables. Name the class that you own. {WAY_OUT}."
                )
        broken += [
            f"{at(module, node)}: {_attribute(node)} finds classes by name, of any context. Name the class that you own. {WAY_OUT}."
            for node in module.nodes
            if _attribute(node) in {"_sa_registry", "_class_registry", "__subclasses__", "mappers"}
        ]
        broken += [
            f"{at(module, node)}: metadata.tables finds tables by name, of any context. Name the class that you own. {WAY_OUT}."
            for node in module.nodes
            if (isinstance(node, ast.Attribute) and node.attr == "tables" and _attribute(node.value) == "metadata")
            or any(name.endswith(".metadata.tables") for name in module.stands_for(node))
        ]
    return sorted(set(broken))


def relationships_stay_at_home(root: Path) -> list[str]:
    """SQLAlchemy finds a class that a relationship names as text in whichever context it is."""
    house = House(root)
    owners: dict[str, set[str]] = {}
    for module in house:
        if module.role == "models":
            for node in module.tree.body:
                if isinstance(node, ast.ClassDef):
                    owners.setdefault(node.name, set()).add(module.context)
    broken = []
    for module in house.of_contexts():
        for node in module.nodes:
            if not isinstance(node, ast.AnnAssign | ast.Assign) or not isinstance(node.value, ast.Call):
                continue
            made_by = {origin.rpartition(".")[2] for origin in house.means(module, node.value.func)}
            if not made_by & {"relationship", "dynamic_loader", "backref", "association_proxy"}:
                continue
            parts = [*ast.walk(node.value), *(ast.walk(node.annotation) if isinstance(node, ast.AnnAssign) else ())]
            words = {word for part in parts for word in _words(part)}
            broken += [
                f"{at(module, node)}: a relationship with {word}, a class of {', '.join(sorted(owners[word]))}. Keep its id alone. {WAY_OUT}."
                for word in sorted(words & owners.keys())
                if module.context not in owners[word]
            ]
    return broken


def _words(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.findall(r"\w+", node.value)
    return [node.id] if isinstance(node, ast.Name) else []


def only_the_application_loads_modules_by_name(root: Path) -> list[str]:
    """What is imported by a text is imported past every contract about who may know whom."""
    house = House(root)
    return sorted(
        {
            f"{at(module, node)}: {origin} imports past the contracts. Write an import."
            for module in house
            if module.name not in MAY_LOAD
            for node, origin in house.references(module)
            if origin in LOADERS and not (isinstance(node, ast.Import) and origin == "sys")
        }
    )


RULES = (
    nobody_names_a_table_as_text,
    no_statement_as_text_is_about_a_contexts_table,
    aggregates_of_others_are_out_of_reach,
    relationships_stay_at_home,
    only_the_application_loads_modules_by_name,
)
