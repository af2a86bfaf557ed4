"""Every module of composed pages. Imported, each adds its routes to the blueprint of the context that it is about."""

from karokar.pages.organizations import decisions, lists, own
from karokar.pages.vehicles import custody, imports, maintenance, odometer, vehicles

AREAS = (own, lists, decisions, vehicles, odometer, maintenance, imports, custody)
