"""Snakemake's executor plugin for TES."""

from __future__ import annotations

from typing import Any


def mend(plugin: Any) -> None:
    # The drop-in knows of a task as soon as it is submitted: nothing is to be waited for.
    plugin.common_settings.init_seconds_before_status_checks = 0
