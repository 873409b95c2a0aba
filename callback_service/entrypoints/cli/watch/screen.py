"""What `runs watch` tells of."""

from typing import Protocol

from callback_service.entrypoints.cli.service_client import Json


class Screen(Protocol):
    def tell(self, updates: list[Json]) -> None:
        """What is new."""

    def stand(self, run: Json) -> None:
        """How it stands after that."""

    def miss(self, sentence: str) -> None:
        """The service is away; it is asked again."""

    def greet(self, sentence: str) -> None:
        """It is back."""
