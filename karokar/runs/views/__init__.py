"""The pages of runs: the list and one run, bulk changes, large exports, imports."""

from karokar.runs.views import bulk, detail, exports, imports
from karokar.runs.views.blueprint import bp

__all__ = ["bp", "bulk", "detail", "exports", "imports"]
