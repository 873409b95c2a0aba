"""The machine's clock."""

from datetime import UTC, datetime


class SystemClock:
    """UTC, cut to milliseconds, as the database keeps it."""

    def now(self) -> datetime:
        now = datetime.now(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)
