"""The platform is alerted while sign-ins are refused so often that somebody is probably guessing."""

from datetime import timedelta

from karokar.administration.console import ALERT_WINDOW, MANY_REFUSALS
from karokar.identity import actions
from karokar.kernel import clock
from tests.factories import people


def refuse(count: int) -> None:
    with people.as_system():
        for _ in range(count):
            actions.refuse_sign_in(None, reason="password")


def test_home_of_the_platform_alerts_while_many_sign_ins_are_refused(any_app):
    admin = people.platform_admin()
    vendor = people.make_vendor(reviewer=admin)

    def page(somebody: people.Somebody) -> str:
        client = any_app.test_client()
        people.sign_in(client, somebody)
        text: str = client.get("/figures").text
        return text

    refuse(MANY_REFUSALS - 1)
    assert "Sign-ins refused" not in page(admin)
    refuse(1)
    assert "Sign-ins refused within 10 minutes" in page(admin)
    assert "Sign-ins refused" not in page(vendor.admin)
    with clock.standing_at(clock.now() + ALERT_WINDOW + timedelta(minutes=1)):
        assert "Sign-ins refused" not in page(admin)
