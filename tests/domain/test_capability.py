import base64
import re
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from callback_service.domain.capability import (
    Capability,
    hash_token,
    new_api_token,
    new_callback_token,
    new_run_id,
    new_secret,
    opens,
    run_id_of,
)
from tests.fakes.clock import START

SECOND = timedelta(seconds=1)
TOKENS = st.text(max_size=60)


class TestMaking:
    def test_a_run_id_can_be_a_key_inside_a_document_and_a_part_of_a_path(self):
        assert re.fullmatch(r"r[0-9a-f]{20}", new_run_id())

    def test_a_callback_token_names_its_run_and_adds_more_than_128_random_bits(self):
        run_id = new_run_id()
        token = new_callback_token(run_id)
        assert run_id_of(token) == run_id
        random_part = token.partition(".")[2]
        assert len(base64.urlsafe_b64decode(random_part + "==")) == 32
        assert re.fullmatch(r"[\w.-]+", token, re.ASCII)

    def test_a_secret_is_one_of_standard_webhooks(self):
        prefix, encoded = new_secret().split("_")
        assert prefix == "whsec"
        assert len(base64.b64decode(encoded, validate=True)) == 32

    def test_an_api_token_is_known_as_one(self):
        assert re.fullmatch(r"cbs_[\w-]{43}", new_api_token(), re.ASCII)

    def test_nothing_is_made_twice(self):
        for make in (new_run_id, lambda: new_callback_token("r1"), new_secret, new_api_token):
            assert len({make() for _ in range(100)}) == 100


class TestOpening:
    @given(token=TOKENS)
    def test_a_token_opens_what_holds_its_hash(self, token):
        assert opens((Capability(hash_token(token)),), token, START)

    @given(held=TOKENS, token=TOKENS)
    def test_no_other_token_does(self, held, token):
        assert opens((Capability(hash_token(held)),), token, START) == (held == token)

    @given(token=TOKENS)
    def test_the_hash_itself_opens_nothing_and_hides_the_token(self, token):
        held = Capability(hash_token(token))
        assert not opens((held,), held.value, START)
        assert len(token) < 4 or token not in held.value

    def test_nothing_held_opens_for_nobody(self):
        assert not opens((), "", START)

    def test_each_of_several_opens_until_it_ends(self):
        held = (
            Capability(hash_token("new")),
            Capability(hash_token("old"), START + SECOND),
        )
        assert opens(held, "new", START + 1000 * SECOND)
        assert opens(held, "old", START)
        assert not opens(held, "old", START + SECOND)


class TestForged:
    @given(token=st.text())
    def test_whatever_is_sent_as_a_token_names_a_run_or_none(self, token):
        assert "." not in run_id_of(token)
        assert token.startswith(run_id_of(token))
