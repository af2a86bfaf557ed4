"""Who may decide about deliveries: asked by the engine itself, whatever page or command calls it."""

import inspect

import pytest

from karokar.kernel.actor import Scope, acting_as
from karokar.kernel.errors import PermissionDenied
from karokar.outbox.operations import actions, replay
from tests.factories.events import platform_admin, vendor_admin

DECISIONS = [
    *(call for module in (actions, replay) for call in vars(module).values() if getattr(call, "__action__", False)),
    replay.perform,
]


def test_all_decisions_are_known():
    assert {call.__name__ for call in DECISIONS} == {
        *("retry_deliveries", "dismiss_deliveries", "pause_handler", "resume_handler", "unsubscribe_handler"),
        *("tell_start", "tell_end", "perform"),
    }


@pytest.mark.parametrize("decide", DECISIONS, ids=lambda call: call.__name__)
def test_nobody_decides_without_the_permission_to_operate(app, decide):
    wanted = [
        parameter
        for parameter in inspect.signature(decide).parameters.values()
        if parameter.default is inspect.Parameter.empty
    ]
    assert vendor_admin.permissions["event.read"] is Scope.OWN
    with acting_as(vendor_admin), pytest.raises(PermissionDenied) as refused:
        decide(*(None for _ in wanted))
    assert refused.value.permission == "event.operate"
    assert "event.operate" in platform_admin.permissions
