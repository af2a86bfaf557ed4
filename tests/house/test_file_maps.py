"""The maps of files in docs/architecture.md and docs/events.md are complete, and name nothing that is not there."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from karokar.config import PROJECT
from karokar.contexts import CONTEXTS

DOCUMENTS = (PROJECT / "docs/architecture.md", PROJECT / "docs/events.md")
# Only their packages stand in both maps: the first says where they are, the second what is in them.
IN_BOTH = {"karokar/events/", "karokar/outbox/"}


def named_in(text: str) -> Iterator[str]:
    """What a map names: packages as `karokar/web/`, modules as `karokar/web/setup.py`.

    A map is a block of code that begins with `karokar/`. What is indented further lies within; a line of bare names
    lists the modules of the package above it.
    """
    (block,) = re.findall(r"```\nkarokar/\n(.*?)```", text, re.DOTALL)
    packages = {0: "karokar/"}
    last = "karokar/"
    for line in block.splitlines():
        depth = len(line) - len(line.lstrip())
        first, *others = line.split()
        if first.endswith(("/", ".py")):
            within = packages[max(outer for outer in packages if outer < depth)]
            packages = {outer: name for outer, name in packages.items() if outer < depth}
            if first.endswith("/"):
                last = packages[depth] = within + first
            yield within + first
        else:
            yield from (f"{last}{name}.py" for name in (first, *others))


def there_is(root: Path) -> Counter[str]:
    """Every package and module below karokar. How a context is cut inside is the same everywhere, and no map's matter."""
    found: Counter[str] = Counter()
    for path in (root / "karokar").rglob("*.py"):
        within = path.parent.relative_to(root).as_posix()
        if path.name != "__init__.py":
            name = f"{within}/{path.name}"
        elif path.parent == root / "karokar":
            continue
        else:
            name = f"{within}/"
        _, part, *inner = name.split("/")
        if part not in CONTEXTS or not any(inner):
            found[name] = 1
    return found


def differences(texts: list[str], root: Path) -> list[str]:
    named = Counter(name for text in texts for name in named_in(text))
    expected = there_is(root)
    return [
        *(f"{name} is in no map" for name in sorted(expected - named)),
        *(f"{name} is named and not there" for name in sorted(set(named) - set(expected))),
        *(
            f"{name} is named {named[name]} times"
            for name in sorted(expected)
            if named[name] > (2 if name in IN_BOTH else 1)
        ),
    ]


def texts_of_maps() -> list[str]:
    return [document.read_text(encoding="utf-8") for document in DOCUMENTS]


def test_the_maps_name_every_package_and_module_once():
    assert differences(texts_of_maps(), PROJECT) == []


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("  worker.py ", "  worked.py ", "karokar/worker.py is in no map"),
        ("  worker.py ", "  worked.py ", "karokar/worked.py is named and not there"),
        ("  contexts.py ", "  config.py ", "karokar/config.py is named 2 times"),
        ("workbook", "", "karokar/files/formats/workbook.py is in no map"),
        ("    drain.py ", "    drained.py ", "karokar/outbox/delivery/drain.py is in no map"),
        ("    local/ ", "    located/ ", "karokar/kernel/local/ is in no map"),
    ],
)
def test_a_map_that_is_wrong_is_found(before: str, after: str, said: str):
    wrong = [text.replace(before, after, 1) for text in texts_of_maps()]
    assert wrong != texts_of_maps()
    assert said in differences(wrong, PROJECT)
