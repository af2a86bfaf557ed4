"""What other contexts may ask about how far the chain of records is, and whether it is whole."""

from karokar.audit.queries import chain_status

__all__ = ["chain_status"]
