"""What runs offer to shared pages."""

from karokar.kernel.ports import Console, Entry

CONSOLE = Console(
    navigation=(
        Entry(label="Runs", icon="player-play", endpoint="runs.index", group="Organization", place=70, key="u"),
    ),
    pages={"run": "runs.show"},
)
