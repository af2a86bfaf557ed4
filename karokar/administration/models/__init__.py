"""The desk's tables, one module per area."""

from karokar.administration.models.reports import DailyFact, ReportedVehicle

__all__ = ["DailyFact", "ReportedVehicle"]
