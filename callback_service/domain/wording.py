"""How values read in JSON, wherever they are shown: in deliveries and in the API."""

from datetime import UTC, datetime
from typing import Any

from callback_service.domain.delivery import Item


def rfc3339(at: datetime) -> str:
    """`2025-06-12T14:30:00.000Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def worded_update(item: Item) -> dict[str, Any]:
    """One update as runs are told it (the contract's `FeedItem`)."""
    return {
        "server": item.key.server,
        "task_id": item.key.task_id,
        "seq": item.update.seq,
        "state": item.update.state,
        "previous": item.previous,
        "at": rfc3339(item.update.at),
        "source": item.update.source,
        "final": item.update.state.is_final,
    }
