"""What composed pages offer to shared ones: the first steps of a new organization, on home."""

from karokar.kernel.ports import Console
from karokar.pages.organizations.checklist import show_checklist

CONSOLE = Console(home_parts=(show_checklist,))
