"""Webhooks are trusted if, and only if, somebody who knows the secret signed them just now."""

import base64
import json
from datetime import datetime, timezone

import pytest
from callback_client import InvalidSignature, verify
from callback_client.signature import sign

# The example of the Standard Webhooks libraries.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE = "msg_p5jXN8AQM9LWM0D4loKWxJek"
SENT = 1614265330
BODY = '{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

OTHER = "whsec_" + base64.b64encode(b"another secret of 32 random bytes").decode()


def headers(**changed):
    given = {
        "webhook-id": MESSAGE,
        "webhook-timestamp": str(SENT),
        "webhook-signature": SIGNATURE,
        "content-type": "application/json",
    }
    given.update({f"webhook-{name}": value for name, value in changed.items()})
    return {name: value for name, value in given.items() if value is not None}


def check(given, body=BODY, secrets=SECRET, **options):
    return verify(given, body, secrets, **{"now": SENT, **options})


def test_the_published_example_is_trusted_and_made():
    assert check(headers()) == {"test": 2432232314}
    assert sign(MESSAGE, SENT, BODY, SECRET) == SIGNATURE


@pytest.mark.parametrize("body", [BODY, BODY.encode(), bytearray(BODY.encode())])
def test_a_body_may_be_text_or_bytes(body):
    assert check(headers(), body) == {"test": 2432232314}


def test_a_secret_may_stand_without_its_prefix():
    assert check(headers(), secrets=SECRET[len("whsec_") :])


def test_header_names_may_be_written_in_any_case():
    assert check({name.title(): value for name, value in headers().items()})


def test_one_of_several_secrets_is_enough():
    assert check(headers(), secrets=[OTHER, SECRET])
    assert check(headers(), secrets=(SECRET, OTHER))


def test_one_of_several_signatures_is_enough():
    """While secrets are exchanged, a message is signed with both."""
    assert check(headers(signature=f"v1,AAAA v1a,BBBB {SIGNATURE}"))


@pytest.mark.parametrize(
    "signature",
    [
        "v1,AAAA",
        SIGNATURE[len("v1,") :],
        SIGNATURE.replace("v1,", "v2,"),
        SIGNATURE.replace("g0hM", "G0hM"),
        SIGNATURE.replace(",", ", "),
        SIGNATURE + "=",
        "v1,",
        "ä",
        "\udcff",
        " ",
    ],
)
def test_another_signature_is_not_trusted(signature):
    with pytest.raises(InvalidSignature, match="no signature fits"):
        check(headers(signature=signature))


def test_neither_body_nor_id_nor_time_nor_secret_may_be_another():
    for given, body, secret in [
        (headers(), BODY + " ", SECRET),
        (headers(id="msg_0"), BODY, SECRET),
        (headers(timestamp=str(SENT + 1)), BODY, SECRET),
        (headers(), BODY, OTHER),
    ]:
        with pytest.raises(InvalidSignature, match="no signature fits"):
            check(given, body, secret)


@pytest.mark.parametrize("name", ["id", "timestamp", "signature"])
@pytest.mark.parametrize("value", [None, ""])
def test_each_header_must_be_there(name, value):
    with pytest.raises(InvalidSignature, match=f"there is no webhook-{name} header"):
        check(headers(**{name: value}))


def test_old_and_future_messages_are_not_trusted():
    assert check(headers(), now=SENT + 300)
    assert check(headers(), now=SENT - 300)
    with pytest.raises(InvalidSignature, match="sent 301 seconds ago"):
        check(headers(), now=SENT + 301)
    with pytest.raises(InvalidSignature, match="301 seconds ahead"):
        check(headers(), now=SENT - 301)
    assert check(headers(), now=SENT + 301, tolerance=302)
    assert check(headers(), now=0, tolerance=None)


def test_now_is_the_time_by_default():
    with pytest.raises(InvalidSignature, match="too old"):
        verify(headers(), BODY, SECRET)


@pytest.mark.parametrize("timestamp", ["now", "1e9", "-1", "1614265330.5", "١٦", "9" * 5000])
def test_a_timestamp_is_a_number_of_seconds(timestamp):
    with pytest.raises(InvalidSignature, match="not a number of seconds"):
        check(headers(timestamp=timestamp))


@pytest.mark.parametrize("secrets", ["", "whsec_", "whsec_not base64", [], [SECRET, ""], ["ä"]])
def test_a_secret_that_is_none_is_the_receivers_fault(secrets):
    """Above all the empty one, with which everybody can sign."""
    with pytest.raises(ValueError, match="secret") as refused:
        check(headers(), secrets=secrets)
    assert "not base64" not in str(refused.value)


def test_signed_nonsense_is_not_taken_either():
    with pytest.raises(InvalidSignature, match="not JSON"):
        check(headers(signature=sign(MESSAGE, SENT, "nonsense", SECRET)), "nonsense")


def test_it_agrees_with_the_library_of_standard_webhooks():
    webhooks = pytest.importorskip("standardwebhooks")
    now = datetime.now(timezone.utc)
    body = json.dumps({"run": {"id": "r0", "name": "ä"}, "updates": []})
    theirs = webhooks.Webhook(SECRET).sign(MESSAGE, now, body)
    stamp = str(int(now.timestamp()))
    assert verify(headers(timestamp=stamp, signature=theirs), body.encode(), SECRET)

    ours = sign(MESSAGE, int(stamp), body, SECRET)
    assert ours == theirs
    assert webhooks.Webhook(SECRET).verify(body, headers(timestamp=stamp, signature=ours))
