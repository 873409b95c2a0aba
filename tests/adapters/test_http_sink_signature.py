from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from callback_service.adapters.http_sink.signature import signed
from callback_service.domain.capability import Capability, new_secret

OLD, NEW, SPENT = (new_secret() for _ in range(3))


@pytest.fixture
def now():
    """Receivers refuse what was signed minutes ago, so it is not read before a test begins."""
    return datetime.now(UTC)


@pytest.fixture
def secrets(now):
    return (
        Capability(NEW),
        Capability(OLD, expires_at=now + timedelta(hours=1)),
        Capability(SPENT, expires_at=now),
    )


@pytest.mark.parametrize("secret", [OLD, NEW], ids=["old", "new"])
def test_a_receiver_may_check_with_any_secret_that_is_valid(secret, now, secrets):
    headers = signed("msg_1", now, '{"a":1}', secrets)
    assert Webhook(secret).verify('{"a":1}', headers) == {"a": 1}
    assert headers["webhook-signature"].count("v1,") == 2


def test_a_replaced_secret_signs_no_more_when_its_time_is_over(now, secrets):
    headers = signed("msg_1", now, "{}", secrets)
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        Webhook(SPENT).verify("{}", headers)


@given(text=st.text(), other=st.text())
def test_the_signature_holds_for_the_signed_text_only(text, other):
    headers = signed("msg_1", datetime.now(UTC), text, (Capability(NEW),))
    Webhook(NEW).verify(text, headers, json_parse=False)
    if other != text:
        with pytest.raises(WebhookVerificationError, match="No matching signature"):
            Webhook(NEW).verify(other, headers, json_parse=False)


def test_the_time_of_the_attempt_is_meant_whatever_its_time_zone(now, secrets):
    elsewhere = now.astimezone(timezone(timedelta(hours=9)))
    assert signed("msg_1", elsewhere, "{}", secrets) == signed("msg_1", now, "{}", secrets)
    assert signed("msg_1", now, "{}", secrets)["webhook-timestamp"] == str(int(now.timestamp()))


def test_nothing_is_called_signed_without_a_valid_secret(now, secrets):
    assert "webhook-signature" not in signed("msg_1", now, "{}", secrets[2:])
