"""What is refused of a handover: readings that no gauge shows."""

import pytest

from karokar.kernel.errors import RuleBroken
from karokar.kernel.vehicles import handover


@pytest.mark.parametrize(("odometer", "fuel"), [(-1, 50), (10_000_000, 50), (1, -1), (1, 101)])
def test_an_impossible_reading_is_refused(odometer: int, fuel: int) -> None:
    with pytest.raises(RuleBroken, match="READING_INVALID"):
        handover.check_reading(odometer, fuel)
