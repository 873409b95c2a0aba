"""The one Celery task: a doorbell."""

from celery import Celery

from callback_service.adapters.celery_doorbell import DELIVER
from callback_service.relay.ports import Doorbell


def register(celery: Celery, doorbell: Doorbell) -> None:
    """Hand doorbells from the broker to the dispatcher of this worker."""

    @celery.task(name=DELIVER)
    def deliver(run_ids: list[str]) -> None:
        doorbell.ring(run_ids)
