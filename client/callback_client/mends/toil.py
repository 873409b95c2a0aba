"""Toil's plugin for TES."""

from __future__ import annotations

import importlib
import sys
from typing import Any


def mend(plugin: Any) -> None:
    # 0.0.1 looks for its module by a name that is misspelt.
    module = importlib.import_module(f"{plugin.__name__}.tes_batch_system")
    sys.modules.setdefault(f"{plugin.__name__}.tes_batch_stytem", module)
