from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callback_service.domain.errors import InvalidInput
from callback_service.domain.server import DEFAULT_SERVER, check_server_key, check_server_url

ALLOWED = set("abcdefghijklmnopqrstuvwxyz0123456789-")


class TestKey:
    @given(key=st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True))
    def test_a_dns_label_names_a_server(self, key):
        assert check_server_key(key) == key

    def test_the_one_that_is_there_before_any_is_registered_could_be_registered(self):
        assert check_server_key(DEFAULT_SERVER) == DEFAULT_SERVER

    @pytest.mark.parametrize(
        "key",
        ["", "-", "-a", "a-", "A", "a.b", "a/b", "a b", "ä", "a\n", "\na", "a\x00", "a" * 64],
    )
    def test_nothing_else_does(self, key):
        with pytest.raises(InvalidInput, match="DNS label") as refusal:
            check_server_key(key)
        assert refusal.value.field == "name"

    @given(key=st.text())
    def test_what_is_taken_divides_no_path_and_no_document_id(self, key):
        with suppress(InvalidInput):
            check_server_key(key)
            assert set(key) <= ALLOWED

    def test_the_caller_says_which_field_it_was(self):
        with pytest.raises(InvalidInput) as refusal:
            check_server_key("A", "server")
        assert refusal.value.field == "server"


class TestUrl:
    @pytest.mark.parametrize(
        "url",
        [
            "http://localhost:8000",
            "https://tes.example.org",
            "https://tes.example.org:8443/ga4gh/tes",
            "http://10.0.0.1",
            "http://[::1]:8000/v1",
        ],
    )
    def test_the_base_of_a_server_is_kept_without_the_last_slash(self, url):
        assert check_server_url(url) == url
        assert check_server_url(url + "/") == url

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "tes.example.org",
            "//tes.example.org",
            "ftp://tes.example.org",
            "file:///etc/passwd",
            "http://",
            "http://:8000",
            "http://tes.example.org:0",
            "http://tes.example.org:65536",
            "http://tes.example.org:port",
            "http://[::1",
            "http://user@tes.example.org",
            "http://user:password@tes.example.org",
            "http://tes.example.org?a=b",
            "http://tes.example.org#a",
            "http://tes.example.org?",
            "http://tes.example.org/#",
            "http://tes.example.org/a b",
            "http://tés.example.org",
        ],
    )
    def test_what_is_none_is_refused_with_its_reason(self, url):
        with pytest.raises(InvalidInput, match=r"must|is not a URL") as refusal:
            check_server_url(url)
        assert refusal.value.field == "url"

    @given(url=st.text() | st.text().map("http://".__add__))
    def test_whatever_is_said_is_refused_or_something_that_paths_can_be_appended_to(self, url):
        with suppress(InvalidInput):
            base = check_server_url(url)
            assert urlsplit(base + "/tasks").path.endswith("/tasks")
            assert not base.endswith("/")
