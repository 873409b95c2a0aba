"""Hands updates to webhooks: signed POSTs that only go where the operator allows."""

from callback_service.adapters.http_sink.sender import HttpSender

__all__ = ["HttpSender"]
