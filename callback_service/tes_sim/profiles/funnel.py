"""Funnel 0.12, as it was seen to behave."""

from collections.abc import Mapping
from typing import Any

from callback_service.tes_sim.profiles.profile import ENDED_OTHERWISE, Profile
from callback_service.tes_sim.shown import leaving_nothing_out


def _error(_status: int, message: str) -> Mapping[str, Any]:
    return {"error": message, "message": message}


FUNNEL = Profile(
    name="funnel",
    # Its own version stands where that of the TES specification is asked for.
    version="0.12.0",
    prefixes=("/ga4gh/tes/v1", "/v1", ""),
    error=_error,
    show=leaving_nothing_out,
    refuses_large_pages=False,
    looks_no_further=True,
    says_last_page=True,
    canceling=None,
    stopping=5.0,
    cannot_cancel=ENDED_OTHERWISE,
    logs_after=0.3,
    info={"storage": ["file:///tes-sim"]},
)
