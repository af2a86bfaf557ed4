"""Which settings the platform has, and what each may be."""

from dataclasses import dataclass

from karokar.kernel.errors import RuleBroken


@dataclass(frozen=True, kw_only=True)
class SettingRule:
    """One setting that is on or off: its key, what the page says, and how it is until somebody decides."""

    key: str
    label: str
    description: str
    default: bool


SETTINGS = (
    SettingRule(
        key="require_driving_licence",
        label="A verified driving licence is required to get a vehicle",
        description=(
            "Off: a company is warned when it assigns somebody without one. On: the assignment is refused until the "
            "licence is verified. It counts from the next assignment on."
        ),
        default=False,
    ),
)


def rule_of(key: str) -> SettingRule:
    """Return the rule of a setting. Raises RuleBroken for one that there is not."""
    for rule in SETTINGS:
        if rule.key == key:
            return rule
    raise RuleBroken("UNKNOWN_SETTING", "There is no such setting. Open the settings page again.")


def as_text(*, is_on: bool) -> str:
    """Return how a choice is stored and told."""
    return "true" if is_on else "false"
