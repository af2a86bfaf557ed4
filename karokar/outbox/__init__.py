"""The engine, from `publish` to every handler: records events, delivers them, repairs what failed, and shows how it is
doing. Contexts publish with `karokar.events.bus` and react with `karokar.events.handlers` and do not import it, apart
from administration, which operates it, and audit and notification, which read what was recorded; `web` shows timelines.
docs/events.md has the map.
"""
