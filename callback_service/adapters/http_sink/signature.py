"""The headers by which a receiver knows that a delivery is ours (Standard Webhooks)."""

from collections.abc import Iterable
from datetime import UTC, datetime

from standardwebhooks import Webhook

from callback_service.domain.capability import Capability


def signed(
    webhook_id: str, at: datetime, text: str, secrets: Iterable[Capability]
) -> dict[str, str]:
    """One signature for every secret that is valid now: receivers check with either in a rotation.

    `at` is the time of the attempt: receivers refuse old ones, so a retry is signed anew.
    """
    # The library takes the clock's face for UTC, whatever the time zone.
    when = at.astimezone(UTC)
    headers = {"webhook-id": webhook_id, "webhook-timestamp": str(int(when.timestamp()))}
    signatures = [
        Webhook(secret.value).sign(webhook_id, when, text)
        for secret in secrets
        if secret.is_valid(at)
    ]
    return {**headers, "webhook-signature": " ".join(signatures)} if signatures else headers
