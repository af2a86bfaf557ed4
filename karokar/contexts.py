"""The one list of contexts, in the order in which they are loaded."""

CONTEXTS = (
    "identity",
    "organization",
    "verification",
    "fleet",
    "availability",
    "booking",
    "assignment",
    "notification",
    "audit",
    "administration",
)
