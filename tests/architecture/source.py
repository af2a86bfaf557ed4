"""A tree's source as rules read it: modules, what a name stands for, where something is defined.

Rules ask for what a module defines, not for its path, and see through aliases, re-exports and `getattr` with a literal.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from karokar.contexts import CONTEXTS

LONGEST_CHAIN = 20
"""A name that is handed on more often than this leads in a circle."""


@lru_cache(maxsize=4096)
def parsed(text: str, filename: str) -> tuple[ast.Module, tuple[ast.AST, ...]]:
    tree = ast.parse(text, filename=filename)
    return tree, tuple(ast.walk(tree))


@dataclass
class Module:
    """One file. `name` is its dotted name; `context` and `role` of karokar/booking/views/calendar.py are booking, views."""

    root: Path
    path: Path
    text: str
    name: str
    context: str
    role: str

    @property
    def tree(self) -> ast.Module:
        return parsed(self.text, str(self.path))[0]

    @property
    def nodes(self) -> tuple[ast.AST, ...]:
        return parsed(self.text, str(self.path))[1]

    @cached_property
    def defined(self) -> set[str]:
        """What the module defines at its top, apart from what it imports."""
        found: set[str] = set()
        for node in self.tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
                found.add(node.name)
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found.update(target.id for target in targets if isinstance(target, ast.Name))
        return found

    @cached_property
    def names(self) -> dict[str, set[str]]:
        """What each name may stand for: imported, or assigned from another name."""
        found: dict[str, set[str]] = {}
        package = self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    found.setdefault(alias.asname or alias.name.partition(".")[0], set()).add(
                        alias.name if alias.asname else alias.name.partition(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom):
                near = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
                module = ".".join(part for part in (near, node.module) if part)
                for alias in node.names:
                    found.setdefault(alias.asname or alias.name, set()).add(f"{module}.{alias.name}")
        for node in self.nodes:
            if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr) and node.value is not None:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for origin in self._expression(node.value, found):
                    for target in targets:
                        if isinstance(target, ast.Name) and "." in origin:
                            found.setdefault(target.id, set()).add(origin)
        return found

    def _expression(self, node: ast.AST, names: dict[str, set[str]]) -> set[str]:
        if isinstance(node, ast.Name):
            return set(names.get(node.id, {f"{self.name}.{node.id}" if node.id in self.defined else node.id}))
        if isinstance(node, ast.Attribute):
            return {f"{of}.{node.attr}" for of in self._expression(node.value, names)}
        if isinstance(node, ast.Call):
            taken = attribute_taken(node)
            if taken is not None:
                return {f"{of}.{taken}" for of in self._expression(node.args[0], names)}
        return set()

    def stands_for(self, node: ast.AST) -> set[str]:
        """The dotted names that an expression of names, attributes and `getattr` may mean; empty for any other."""
        return self._expression(node, self.names)


def attribute_taken(node: ast.AST) -> str | None:
    """The name that `getattr(something, "name")` takes."""
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "getattr"
        and len(node.args) > 1
        and isinstance(node.args[1], ast.Constant)
        and isinstance(node.args[1].value, str)
    ):
        return node.args[1].value
    return None


@lru_cache(maxsize=4096)
def _module(*parts: Any) -> Module:
    """A module that was read before keeps what was found out about it."""
    return Module(*parts)


class House:
    """Every module of a tree. Raises LookupError for one without any: a rule that reads nothing finds nothing."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.modules: list[Module] = []
        self.by_name: dict[str, list[Module]] = {}
        for path in sorted((root / "karokar").rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            context, role = (parts[1], parts[2]) if len(parts) > 2 else ("", parts[-1])
            module = _module(root, path, path.read_text(encoding="utf-8"), name, context, role)
            self.modules.append(module)
            self.by_name.setdefault(name, []).append(module)
        if not self.modules:
            raise LookupError(f"There is no Python file in {root / 'karokar'}.")

    def __iter__(self) -> Iterator[Module]:
        return iter(self.modules)

    def of_contexts(self) -> Iterator[Module]:
        return (module for module in self if module.context in CONTEXTS)

    def origin(self, name: str) -> set[str]:
        """Where a dotted name comes from, through every module that only hands it on."""
        found, left = set(), {(name, 0)}
        while left:
            one, depth = left.pop()
            handed_on = self._handed_on(one) if depth < LONGEST_CHAIN else set()
            if handed_on:
                left |= {(other, depth + 1) for other in handed_on if other != one}
            else:
                found.add(one)
        return found

    def _handed_on(self, name: str) -> set[str]:
        parts = name.split(".")
        for cut in range(len(parts) - 1, 0, -1):
            modules = self.by_name.get(".".join(parts[:cut]), [])
            sources = {one for module in modules for one in module.names.get(parts[cut], ())}
            if sources:
                return {".".join([source, *parts[cut + 1 :]]) for source in sources} - {name}
            if modules:
                return set()
        return set()

    def means(self, module: Module, node: ast.AST) -> set[str]:
        """Where what an expression stands for comes from."""
        return {origin for name in module.stands_for(node) for origin in self.origin(name)}

    def defining(self, *names: str) -> str:
        """The one module that defines all of these at its top. Raises LookupError where it is not exactly one."""
        found = [module.name for module in self if set(names) <= module.defined]
        if len(found) != 1:
            raise LookupError(f"{' and '.join(names)} should be defined by one module, not by {found or 'none'}.")
        return found[0]

    def references(self, module: Module) -> Iterator[tuple[ast.AST, str]]:
        """Each name, attribute, import and `getattr` of a module, with where it comes from."""
        for node in module.nodes:
            if isinstance(node, ast.ImportFrom | ast.Import):
                for alias in node.names:
                    local = alias.asname or alias.name.partition(".")[0]
                    names = module.names[local] if isinstance(node, ast.ImportFrom) else {alias.name}
                    for name in names:
                        for origin in self.origin(name):
                            yield node, origin
            elif (isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load)) or attribute_taken(
                node
            ) is not None:
                for origin in self.means(module, node):
                    yield node, origin


def place(root: Path, path: Path, node: ast.AST | None = None) -> str:
    line = f":{node.lineno}" if node is not None and hasattr(node, "lineno") else ""
    return f"{path.relative_to(root)}{line}"


def at(module: Module, node: ast.AST | None = None) -> str:
    return place(module.root, module.path, node)
