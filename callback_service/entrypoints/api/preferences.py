"""The header `Prefer` (RFC 7240)."""

import re
from collections.abc import Iterable

from werkzeug.http import parse_list_header

# Seconds; longer waits are cut.
LONGEST_WAIT = 60
_WAIT = re.compile(r"wait\s*=\s*\"?([0-9]+)\"?", re.IGNORECASE)
# More digits are longer than anything, and Python reads only so many.
_MOST_DIGITS = 9


def preferred_wait(headers: Iterable[str]) -> int | None:
    """For how many seconds the client would rather wait; None where it did not say (rightly)."""
    for preference in parse_list_header(", ".join(headers)):
        # Parameters of a preference stand behind it.
        found = _WAIT.fullmatch(preference.partition(";")[0].strip())
        if found:
            digits = found[1].lstrip("0") or "0"
            return min(int(digits[:_MOST_DIGITS]), LONGEST_WAIT)
    return None
