"""Writes updates into the run documents of cwl-WES, beside cwl-WES itself."""

from callback_service.adapters.cwl_wes_sink.runs import CwlWesRuns
from callback_service.adapters.cwl_wes_sink.sender import CwlWesSender
from callback_service.adapters.cwl_wes_sink.target import Target

__all__ = ["CwlWesRuns", "CwlWesSender", "Target"]
