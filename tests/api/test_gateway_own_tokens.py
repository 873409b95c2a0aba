"""Tokens of this service are found in whatever is meant for a TES server."""

import base64

import pytest

from callback_service.domain.capability import new_api_token
from callback_service.entrypoints.api.own_tokens import looks_like_ours, words_of

# Operators may have made one of their own, of which only the hash is known.
ODD = "s3cret/with+odd=characters:in=="
PLACES = [
    "Bearer {}",
    "Custom {}",
    "Digest username={}, realm=a",
    'Digest realm="a", username="{}"',
    "A x={};y=z",
    "A b, Bearer {}",
]


def encoded(token: str) -> str:
    return base64.urlsafe_b64encode(token.encode()).decode()


@pytest.mark.parametrize("place", [*PLACES, "Custom key:{}", "Custom x='{}'"])
def test_ours_are_known_by_how_they_begin(place):
    token = new_api_token()
    assert looks_like_ours(place.format(token))
    assert looks_like_ours(place.format(encoded(token)))
    assert looks_like_ours(place.format(encoded(f"me:{token}").rstrip("=")))


@pytest.mark.parametrize("place", PLACES)
def test_any_other_is_among_the_words(place):
    assert ODD in words_of(place.format(ODD))
    assert ODD in words_of(place.format(encoded(ODD)))


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer x_cbs_y", "A Xcbs_", "A \xe4=\xff", "A ="]
)
def test_what_is_no_token_of_ours_is_none(header):
    assert not looks_like_ours(header)
    assert "" not in words_of(header)
