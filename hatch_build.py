"""Puts the contract and the default settings into wheels.

They live at the top level of the repository, where people look for them. A wheel has no top
level, so there they become package data; an editable install reads the checkout itself, and a
second copy beside it would only go stale.
"""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE_DATA = {
    "api/specs": "callback_service/_data/api/specs",
    "config.yaml": "callback_service/_data/config.yaml",
}


class PackageData(BuildHookInterface):
    """Adds `PACKAGE_DATA` to every wheel but an editable one."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it packs a wheel; `version` is the kind of wheel."""
        if version != "editable":
            build_data["force_include"].update(PACKAGE_DATA)
