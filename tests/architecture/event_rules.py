"""Who publishes what, who reacts where, and what a reaction writes.

Each rule takes a tree's root and returns what breaks it, one line each, with the way out.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from karokar.contexts import CONTEXTS
from tests.architecture.source import House, Module, at

PRODUCER_PACKAGES = {"delivery": "outbox"}
"""Producers whose name is not that of their package."""

PUBLISHING = {"actions", "handlers"}
"""Roles of a context's files that publish."""

ENTRIES = {"views", "api", "cli", "handlers", "resolver"}
"""Roles of a context's files through which something is begun: by a person, a program, or another context's event."""

STARTERS = {"every", "resends"}
"""Decorators of functions that the clock or an operator's replay begins."""

PARTS_THAT_BEGIN = {"app", "cli", "outbox", "pages", "runs", "supervisor", "web", "worker"}
"""Parts of the house that call contexts by what these gave them. Example data is none: it is nobody's way in."""

PROMISED = {
    "BackupCompleted": "its contract was locked before any command made backups; a locked contract stays readable",
}
"""Events that nothing publishes, each with the reason why its class is there all the same."""

CHANGES_A_DICTIONARY = {"update", "setdefault", "pop", "popitem", "clear", "__setitem__", "__ior__"}

ALL_EVENTS = "*"
"""Whoever keeps a record of everything keeps one of its own facts, too."""

ONLY_READ = {"select", "get", "isinstance", "scalars", "scalar", "exists", "cast", "aliased", "func", "count"}


def only_actions_and_handlers_publish(root: Path) -> list[str]:
    """A fact is published with the change that makes it true: in a context's actions, or in the engine."""
    house = House(root)
    bus = house.defining("publish", "published")
    package = bus.rpartition(".")[0].split(".")[1]
    broken = []
    for module in house:
        is_own = module.context in CONTEXTS and module.role in PUBLISHING
        for node, origin in house.references(module):
            if module.name == bus:
                continue
            if origin == f"{bus}.publish" and not is_own and module.context not in {"outbox", package}:
                broken.append(
                    f"{at(module, node)}: publish() in {module.role}. Move the change and its event into an action of the "
                    "context, and call that."
                )
            elif origin.startswith(f"{bus}.published.") and not origin.endswith(".published.connect"):
                broken.append(f"{at(module, node)}: the signal is sent past publish(). Call publish() in an action.")
            elif origin.startswith(f"{bus}.published") and module.context in CONTEXTS:
                broken.append(
                    f"{at(module, node)}: a context listens to the signal itself, past delivery and retries. Declare a "
                    "handler with @handles in handlers.py."
                )
            elif origin.partition(".")[0] == "blinker" or origin.startswith("flask.signals"):
                broken.append(
                    f"{at(module, node)}: a signal of its own, which nothing records. Publish an event in an action."
                )
    return sorted(set(broken))


# Reactions ------------------------------------------------------------------------------------------------------------


def reactions_are_declared_in_handlers(root: Path) -> list[str]:
    """Whoever looks for what reacts to an event looks into the `handlers` of contexts, and nowhere else."""
    house = House(root)
    registry = house.defining("handles", "HANDLERS")
    forbidden = {f"{registry}.handles": "@handles", f"{registry}.Handler": "a Handler made by hand"}
    broken = []
    for module in house:
        if module.name == registry or (module.context in CONTEXTS and module.role == "handlers"):
            continue
        broken += [
            f"{at(module, node)}: {forbidden[origin]} outside of a context's handlers.py. Move the function there; it may "
            "call an action."
            for node, origin in house.references(module)
            if origin in forbidden and not _is_annotation_only(module, node, origin, registry)
        ]
        broken += [
            f"{at(module, node)}: a handler is put into HANDLERS by hand. Declare it with @handles in handlers.py."
            for node in module.nodes
            if isinstance(node, ast.Subscript)
            and isinstance(node.ctx, ast.Store | ast.Del)
            and f"{registry}.HANDLERS" in house.means(module, node.value)
        ]
        broken += [
            f"{at(module, node)}: a handler is put into HANDLERS by hand. Declare it with @handles in handlers.py."
            for node, origin in house.references(module)
            if origin.startswith(f"{registry}.HANDLERS.") and origin.rpartition(".")[2] in CHANGES_A_DICTIONARY
        ]
    return sorted(set(broken))


def _is_annotation_only(module: Module, node: ast.AST, origin: str, registry: str) -> bool:
    """Whether `Handler` is named as a type: the engine speaks of handlers without declaring any."""
    if origin != f"{registry}.Handler":
        return False
    return not any(isinstance(call, ast.Call) and call.func is node for call in module.nodes)


@dataclass
class Declared:
    """A function under `@handles`, with the decorator's call."""

    module: Module
    function: ast.FunctionDef
    call: ast.Call

    def option(self, name: str) -> ast.expr | None:
        return next((one.value for one in self.call.keywords if one.arg == name), None)


def declared_handlers(house: House) -> list[Declared]:
    handles = f"{house.defining('handles', 'HANDLERS')}.handles"
    return [
        Declared(module, node, decorator)
        for module in house.of_contexts()
        for node in module.nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call) and handles in house.means(module, decorator.func)
    ]


def nobody_reacts_to_its_own_events(root: Path) -> list[str]:
    """What a context does after its own fact it does in the action that publishes it, in the same transaction."""
    house = House(root)
    classes = event_classes(house)
    producers = {name: fact.package for name, fact in classes.items()}
    stored = {fact.stored: fact.package for fact in classes.values()}
    handlers = declared_handlers(house)
    if not handlers:
        return ["karokar: no function is declared with @handles, so nothing can be compared."]
    broken = []
    for one in handlers:
        context = one.module.context
        for selector in [part for argument in one.call.args for part in ast.walk(argument)]:
            if isinstance(selector, ast.Constant) and isinstance(selector.value, str):
                if selector.value == ALL_EVENTS:
                    continue
                own = {name for name, by in stored.items() if by == context and fnmatchcase(name, selector.value)}
            else:
                own = {
                    origin.rpartition(".")[2]
                    for origin in house.means(one.module, selector)
                    if producers.get(origin) == context
                }
            broken += [_own_event(one, name) for name in sorted(own)]
        producer = one.option("producer")
        if isinstance(producer, ast.Constant) and PRODUCER_PACKAGES.get(producer.value, producer.value) == context:
            broken.append(_own_event(one, f"every event of {producer.value}"))
    return broken


def _own_event(one: Declared, what: str) -> str:
    return (
        f"{at(one.module, one.function)}: {one.function.name} reacts to {what}, which {one.module.context} itself publishes. "
        "Do it in the action that publishes it."
    )


# Events ---------------------------------------------------------------------------------------------------------------


class Fact(NamedTuple):
    """A class under `@fact`: its stored name, the package that publishes it, and where it is declared."""

    stored: str
    package: str
    declared: str


def event_classes(house: House) -> dict[str, Fact]:
    """Each class under `@fact`, by its dotted name."""
    fact = f"{house.defining('fact', 'CATALOG')}.fact"
    found = {}
    for module in house:
        for node in module.nodes:
            if not isinstance(node, ast.ClassDef):
                continue
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and fact in house.means(module, decorator.func):
                    producer = module.name.rpartition(".")[2]
                    name = decorator.args[0]
                    stored = name.value if isinstance(name, ast.Constant) else node.name
                    found[f"{module.name}.{node.name}"] = Fact(
                        stored, PRODUCER_PACKAGES.get(producer, producer), at(module, node)
                    )
    if not found:
        raise LookupError("No class is declared with @fact.")
    return found


def only_the_producer_makes_its_events(root: Path) -> list[str]:
    """Others name an event to react to it, and never make one, however they came by the class."""
    house = House(root)
    classes = event_classes(house)
    base = house.defining("fact", "CATALOG")
    by_name = {f"{base}.LATEST", f"{base}.CATALOG"}
    broken = []
    for module in house:
        if module.context in {"events", "kernel"}:
            continue
        for node in module.nodes:
            if not isinstance(node, ast.Call):
                continue
            made = {origin for origin in house.means(module, node.func) if origin in classes}
            made |= {
                origin.rpartition(".")[0]
                for origin in house.means(module, node.func)
                if origin.rpartition(".")[0] in classes
            }
            broken += [
                f"{at(module, node)}: {name.rpartition('.')[2]} is {classes[name].package}'s to say. React to it, or publish an event of your own."
                for name in sorted(made)
                if classes[name].package != module.context
            ]
            looked_up = node.func.value if isinstance(node.func, ast.Subscript) else None
            if looked_up is not None and house.means(module, looked_up) & by_name:
                broken.append(
                    f"{at(module, node)}: an event is made of a class that is looked up by name. Name the class of your own event."
                )
    return broken


def every_event_is_published_by_somebody(root: Path) -> list[str]:
    """From a page, the API, a command, a handler or the clock some way leads to the place that makes each event."""
    house = House(root)
    made_in = _made_in(house)
    begun = _begun(house)
    broken = []
    for name, (stored, package, declared) in sorted(event_classes(house).items()):
        places = made_in.get(name, set())
        if stored in PROMISED:
            broken += [
                f"{declared}: {stored} is made in {'.'.join(spot)}. Take it off PROMISED." for spot in sorted(places)
            ]
        elif not places:
            broken.append(
                f"{declared}: {stored} is never made. Publish it in an action of {package}, or delete the class before it is locked."
            )
        elif not places & begun:
            where = ", ".join(sorted(".".join(one) for one in places))
            broken.append(
                f"{declared}: {stored} is made in {where}, which no page, command, handler or clock job leads to. Call the action "
                "from where it is decided, or delete both."
            )
    return broken


Spot = tuple[str, str]
"""A context (or other part of the house), and the bare name of a function or constant of it."""


def _spots(module: Module) -> Iterator[tuple[Spot, ast.AST]]:
    """Each function, method and constant of a module, and the module itself for what stands outside of them."""
    part = module.context or module.role
    for node in module.tree.body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        for one in inner:
            if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
                yield (part, one.name), one
            elif isinstance(one, ast.Assign | ast.AnnAssign) and one.value is not None:
                for target in one.targets if isinstance(one, ast.Assign) else [one.target]:
                    if isinstance(target, ast.Name):
                        yield (part, target.id), one.value


def _made_in(house: House) -> dict[str, set[Spot]]:
    """Where the producer's code names an event's class for another purpose than reacting or annotating."""
    classes = event_classes(house)
    found: dict[str, set[Spot]] = defaultdict(set)
    for module in house:
        if module.context == "events" or module.role in {"handlers", "views", "queries", "api", "cli", "forms"}:
            continue
        for spot, node in _spots(module):
            for part in _executed(node):
                for origin in house.means(module, part):
                    if origin in classes and classes[origin].package == spot[0]:
                        found[origin].add(spot)
    return found


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a function that run: its annotations do not."""
    left: list[ast.AST] = list(node.body) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else [node]
    while left:
        one = left.pop()
        yield one
        if isinstance(one, ast.AnnAssign):
            left += [one.value] if one.value is not None else []
        elif isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
            left += one.body
        elif (
            isinstance(one, ast.Call) and isinstance(one.func, ast.Name) and one.func.id in {"isinstance", "issubclass"}
        ):
            left += one.args[:1]
        else:
            left += ast.iter_child_nodes(one)


def _mentioned(node: ast.AST) -> set[str]:
    return {
        part.id if isinstance(part, ast.Name) else part.attr
        for part in _executed(node)
        if isinstance(part, ast.Name | ast.Attribute)
    } | {part.args[1].value for part in _executed(node) if isinstance(part, ast.Call) and _taken(part)}


def _taken(call: ast.Call) -> bool:
    is_get = isinstance(call.func, ast.Name) and call.func.id == "getattr" and len(call.args) > 1
    return is_get and isinstance(call.args[1], ast.Constant) and isinstance(call.args[1].value, str)


def _begun(house: House) -> set[Spot]:
    """Every function and constant that an entry leads to. Names count, not objects: it errs on the side of "is called"."""
    mentions: dict[Spot, set[str]] = defaultdict(set)
    left: list[tuple[str, str]] = []
    for module in house:
        part = module.context or module.role
        is_entry = part in PARTS_THAT_BEGIN or module.role in ENTRIES
        for spot, node in _spots(module):
            mentions[spot] |= _mentioned(node)
            decorators = node.decorator_list if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else []
            names = {name for one in decorators for name in _mentioned(one)}
            if is_entry or names & STARTERS:
                left.append(spot)
        if is_entry:
            outside = [node for node in module.tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef)]
            names = {name for node in outside for name in _mentioned(node)}
            mentions[part, f"({module.name})"] |= names
            left.append((part, f"({module.name})"))
    parts = {spot[0] for spot in mentions}
    found: set[Spot] = set()
    while left:
        spot = left.pop()
        if spot in found:
            continue
        found.add(spot)
        reach = parts if spot[0] in PARTS_THAT_BEGIN else {spot[0]}
        left += [(part, name) for name in mentions[spot] for part in reach if (part, name) in mentions]
    return found


# What a projection writes ---------------------------------------------------------------------------------------------


def a_projection_is_the_only_writer_of_its_tables(root: Path) -> list[str]:
    """A table that a projection keeps can be rebuilt from events only if nothing else writes it."""
    house = House(root)
    handlers = declared_handlers(house)
    keepers = _keepers(house, handlers)
    if not keepers:
        return ["karokar: no handler says which table it keeps (keeps=…), so nothing can be compared."]
    broken = []
    reached = {id(one): _reached(house, one) for one in handlers}
    writers: dict[str, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    own = {class_: {part for one in kept_by for part in reached[id(one)]} for class_, kept_by in keepers.items()}
    for one in handlers:
        for module, function in reached[id(one)].values():
            for node, class_ in _named_classes(house, module, function):
                if class_ in keepers and one not in keepers[class_] and id(function) not in own[class_]:
                    broken.append(_kept_by_another(module, node, one.function.name, class_, keepers))
                elif class_ not in keepers and _is_projection(one) and _writes(house, module, function, class_):
                    writers[class_][id(one)].add(id(function))
    broken += [
        f"{at(one.module, one.function)}: {one.function.name} writes {class_.rpartition('.')[2]}, which another projection writes "
        "as well. Give each projection a table of its own, or write it in one function that both call."
        for class_, by in sorted(writers.items())
        for one in handlers
        if id(one) in by and any(not by[id(one)] & parts for other, parts in by.items() if other != id(one))
    ]
    for module in house:
        if module.role == "handlers":
            continue
        for function in [node for node in module.nodes if isinstance(node, ast.FunctionDef)]:
            broken += [
                _kept_by_another(module, node, function.name, class_, keepers)
                for node, class_ in _named_classes(house, module, function)
                if class_ in keepers and _writes(house, module, function, class_)
            ]
    return sorted(set(broken))


def _kept_by_another(module: Module, node: ast.AST, who: str, class_: str, keepers: dict[str, list[Declared]]) -> str:
    keeper = keepers[class_][0].function.name
    return (
        f"{at(module, node)}: {who} touches {class_.rpartition('.')[2]}, the table of the projection {keeper}; a rebuild would "
        f"undo it. Keep a table of your own, or let {keeper} react to the event."
    )


def _is_projection(one: Declared) -> bool:
    effect = one.option("effect")
    return effect is None or (isinstance(effect, ast.Constant) and effect.value == "projection")


def _keepers(house: House, handlers: list[Declared]) -> dict[str, list[Declared]]:
    found: dict[str, list[Declared]] = defaultdict(list)
    for one in handlers:
        for part in ast.walk(one.option("keeps") or ast.Tuple(elts=[])):
            if isinstance(part, ast.Attribute):
                for origin in house.means(one.module, part.value):
                    found[origin].append(one)
    return found


def _reached(house: House, one: Declared) -> dict[int, tuple[Module, ast.AST]]:
    """The functions and constants of the context's handlers that this one calls, itself among them."""
    there: dict[str, list[tuple[Module, ast.AST]]] = defaultdict(list)
    for module in house:
        if module.context == one.module.context and module.role == "handlers":
            for (_, name), node in _spots(module):
                there[name].append((module, node))
    found: dict[int, tuple[Module, ast.AST]] = {}
    left: list[tuple[Module, ast.AST]] = [(one.module, one.function)]
    while left:
        module, node = left.pop()
        if id(node) not in found:
            found[id(node)] = module, node
            left += [other for name in _mentioned(node) for other in there.get(name, ())]
    return found


def _named_classes(house: House, module: Module, function: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    for part in _executed(function):
        if isinstance(part, ast.Name | ast.Attribute):
            for origin in house.means(module, part):
                if re.fullmatch(rf"karokar\.({'|'.join(CONTEXTS)})\.models(\.\w+)*\.[A-Z]\w*", origin):
                    yield part, origin


def _writes(house: House, module: Module, function: ast.AST, class_: str) -> bool:
    """Whether a function makes rows of a class, or gives the class to something that does not only read."""
    for call in _executed(function):
        if not isinstance(call, ast.Call):
            continue
        if class_ in house.means(module, call.func):
            return True
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        is_write = (
            re.match(r"_?(insert|update|delete|merge|upsert|bulk|add|replace|write)", name) and name not in ONLY_READ
        )
        if is_write and any(class_ in house.means(module, argument) for argument in call.args):
            return True
    return False


RULES = (
    only_actions_and_handlers_publish,
    reactions_are_declared_in_handlers,
    nobody_reacts_to_its_own_events,
    only_the_producer_makes_its_events,
    every_event_is_published_by_somebody,
    a_projection_is_the_only_writer_of_its_tables,
)
