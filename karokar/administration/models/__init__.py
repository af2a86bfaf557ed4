"""The desk's tables, one module per area."""

from karokar.administration.models.reports import DailyFact, ReportedUse, ReportedVehicle
from karokar.administration.models.settings import Setting

__all__ = ["DailyFact", "ReportedUse", "ReportedVehicle", "Setting"]
