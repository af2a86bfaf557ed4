"""KaroKar: the admin console of a marketplace on which companies book vehicles for their employees."""

import tomllib
from pathlib import Path

__version__: str = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"][
    "version"
]
"""The version of this code, as `[project]` in pyproject.toml states it: the one place where it stands."""
