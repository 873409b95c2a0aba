from dataclasses import replace
from datetime import timedelta

import pytest

from callback_service.domain.errors import Conflict, InvalidInput, Unknown
from callback_service.domain.polling import CallsBack, Filters, Polling
from callback_service.domain.server import DEFAULT_SERVER, Access, Server
from callback_service.relay.servers import ServerRegistry
from tests.fakes.clock import START, FakeClock
from tests.fakes.store import FakeServers

URL = "https://tes.example.org"


@pytest.fixture
def registry() -> ServerRegistry:
    return ServerRegistry(FakeServers(), FakeClock())


def register(registry: ServerRegistry, *keys: str, is_default: bool = False) -> None:
    for key in keys:
        registry.register(key, URL, CallsBack.UNKNOWN, is_default=is_default)


class TestResolving:
    def test_while_none_is_registered_there_is_one(self, registry):
        assert registry.resolve(None) == DEFAULT_SERVER
        assert registry.resolve(DEFAULT_SERVER) == DEFAULT_SERVER

    def test_the_only_one_need_not_be_named(self, registry):
        register(registry, "tesk")
        assert registry.resolve(None) == "tesk"

    def test_of_several_the_default_one_need_not_be_named(self, registry):
        register(registry, "tesk", "funnel")
        register(registry, "poiesis", is_default=True)
        assert registry.resolve(None) == "poiesis"

    def test_of_several_without_a_default_one_must_be_named(self, registry):
        register(registry, "tesk", "funnel")
        assert registry.resolve("tesk") == "tesk"
        with pytest.raises(InvalidInput, match="must be one of funnel, tesk"):
            registry.resolve(None)

    @pytest.mark.parametrize("registered", [[], ["tesk"]])
    def test_an_unknown_one_is_refused_with_the_names_of_those_that_there_are(
        self, registry, registered
    ):
        register(registry, *registered)
        known = registered[0] if registered else DEFAULT_SERVER
        with pytest.raises(InvalidInput, match=f"'x' is registered; there is {known}") as refusal:
            registry.resolve("x", "tasks.3.server")
        assert refusal.value.field == "tasks.3.server"


class TestRegistering:
    def test_a_server_is_found_as_it_was_registered(self, registry):
        server = registry.register("tesk", URL + "/", CallsBack.NO, is_default=True)
        assert server == Server("tesk", URL, START, CallsBack.NO, is_default=True)
        assert registry.find("tesk") == server
        assert registry.list() == [server]

    def test_a_name_is_given_once(self, registry):
        register(registry, "tesk")
        with pytest.raises(Conflict, match="tesk"):
            register(registry, "tesk")

    @pytest.mark.parametrize("key", ["", "A", "-a", "a-", "a.b", "a/b", "ü", "a" * 64, "a\n"])
    def test_a_name_is_a_dns_label(self, registry, key):
        with pytest.raises(InvalidInput, match="DNS label") as refusal:
            register(registry, key)
        assert refusal.value.field == "name"

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "x",
            "ftp://x",
            "http://",
            "http://u:p@x",
            "http://x:0",
            "http://x:99999",
            "http://x?a",
        ],
    )
    def test_a_url_is_one_of_a_server(self, registry, url):
        with pytest.raises(InvalidInput) as refusal:
            registry.register("tesk", url, CallsBack.UNKNOWN)
        assert refusal.value.field == "url"
        assert registry.list() == []

    def test_without_a_word_it_wants_tokens_and_shows_none(self, registry):
        server = registry.register("tesk", URL)
        assert (server.access, server.credentials) == (Access.TOKEN, None)

    def test_access_and_credentials_are_kept(self):
        registry = ServerRegistry(FakeServers(), FakeClock(), {"hpc", "cloud"})
        server = registry.register("tesk", URL, access=Access.PASS, credentials="hpc")
        assert (server.access, server.credentials) == (Access.PASS, "hpc")
        assert registry.find("tesk") == server

    @pytest.mark.parametrize(("names", "there_is"), [((), "none"), (("hpc", "c"), "c, hpc")])
    def test_credentials_that_nobody_configured_are_refused(self, names, there_is):
        registry = ServerRegistry(FakeServers(), FakeClock(), names)
        with pytest.raises(InvalidInput, match=f"'x' are configured.*there is {there_is}$") as no:
            registry.register("tesk", URL, credentials="x")
        assert no.value.field == "credentials"
        registry.register("tesk", URL)
        with pytest.raises(InvalidInput, match="'x' are configured"):
            registry.change("tesk", credentials="x")
        assert registry.find("tesk").credentials is None

    @pytest.mark.parametrize(
        ("own_url", "url"),
        [
            (URL, URL),
            (URL, URL + "/"),
            (URL + "/", URL),
            (URL, URL + ":443/gateway/tesk"),
            (URL, "HTTPS://TES.example.ORG/gateway/tesk/ga4gh/tes/v1"),
            (URL, URL + "/gateway"),
            (URL, URL + "/ga4gh/tes/v1"),
            (URL, URL + "/v1/"),
            (URL + "/callbacks", URL + "/callbacks/gateway/tesk"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://a.example.org:80/", "http://a.example.org"),
        ],
    )
    def test_the_service_is_not_its_own_server(self, own_url, url):
        registry = ServerRegistry(FakeServers(), FakeClock(), own_url=own_url)
        with pytest.raises(InvalidInput, match="would be a loop") as refusal:
            registry.register("tesk", url)
        assert refusal.value.field == "url"
        registry.register("tesk", "http://other.example.org")
        with pytest.raises(InvalidInput, match="would be a loop"):
            registry.change("tesk", url=url)

    @pytest.mark.parametrize(
        ("own_url", "url"),
        [
            (None, URL),
            (URL, "http://tes.example.org"),
            (URL, URL + ":8443/gateway/tesk"),
            (URL, URL + "/funnel"),
            (URL, URL + "/gateways/tesk"),
            (URL, URL + "/funnel/ga4gh/tes/v1"),
            (URL + "/callbacks", URL),
            (URL + "/callbacks", URL + "/callbacks-too/gateway/tesk"),
            (URL + "/callbacks", URL + "/ga4gh/tes/v1"),
        ],
    )
    def test_its_neighbours_may_be(self, own_url, url):
        registry = ServerRegistry(FakeServers(), FakeClock(), own_url=own_url)
        assert registry.register("tesk", url).url == url

    def test_there_is_one_default_the_one_that_was_marked_last(self, registry):
        register(registry, "tesk", "funnel", is_default=True)
        assert [server.key for server in registry.list() if server.is_default] == ["funnel"]
        registry.change("tesk", is_default=True)
        assert [server.key for server in registry.list() if server.is_default] == ["tesk"]


class TestChanging:
    def test_fields_are_set_and_the_others_stay(self, registry):
        register(registry, "tesk", is_default=True)
        changed = registry.change("tesk", url=URL + "/v2/", calls_back=CallsBack.YES)
        wanted = Server("tesk", URL + "/v2", START, CallsBack.YES, is_default=True)
        assert replace(changed, polling=wanted.polling) == wanted
        assert registry.find("tesk") == changed

    def test_a_url_that_cannot_be_taken_changes_nothing(self, registry):
        register(registry, "tesk")
        with pytest.raises(InvalidInput):
            registry.change("tesk", url="nonsense", calls_back=CallsBack.YES)
        assert registry.find("tesk").calls_back is CallsBack.UNKNOWN

    def test_an_unknown_one_is_said_to_be(self, registry):
        with pytest.raises(Unknown, match="'x'"):
            registry.find("x")
        with pytest.raises(Unknown, match="'x'"):
            registry.change("x", url=URL)
        with pytest.raises(Unknown, match="'x'"):
            registry.remove("x")

    def test_one_that_is_removed_meanwhile_is_not_brought_back(self):
        servers = FakeServers()
        registry = ServerRegistry(servers, FakeClock())
        register(registry, "tesk")
        find = servers.find

        def find_last_time(key: str) -> Server | None:
            found = find(key)
            servers.remove(key)
            return found

        servers.find = find_last_time
        with pytest.raises(Unknown):
            registry.change("tesk", url=URL)
        assert registry.list() == []

    def test_a_removed_one_is_gone_and_its_name_free(self, registry):
        register(registry, "tesk")
        registry.remove("tesk")
        assert registry.list() == []
        register(registry, "tesk")


LEARNT = Polling(
    claim=7,
    requests=40,
    told=9,
    found=1,
    learnt=CallsBack.YES,
    filters=Filters.HONOURED,
    covered_at=START,
    paid_until=START,
)


class TestLearning:
    @pytest.fixture
    def servers(self) -> FakeServers:
        servers = FakeServers()
        servers.add(Server("tesk", URL, START, polling=LEARNT))
        return servers

    @pytest.fixture
    def registry(self, servers) -> ServerRegistry:
        return ServerRegistry(servers, FakeClock(), {"hpc"})

    def test_what_was_learnt_outlives_other_changes(self, registry):
        for fields in (
            {"is_default": True},
            {"access": Access.OPEN},
            {"credentials": "hpc"},
            {"credentials": None},
            {"url": URL + "/"},
            {"calls_back": CallsBack.NO},
        ):
            assert registry.change("tesk", **fields).polling == LEARNT

    def test_of_a_server_that_moved_nothing_is_known(self, registry):
        polling = registry.change("tesk", url="https://new.example.org").polling
        assert polling.learnt is CallsBack.UNKNOWN
        assert polling.filters is Filters.UNTRIED
        assert polling.covered_at is None

    def test_whether_it_calls_back_is_learnt_anew_if_one_wants_it(self, registry):
        assert registry.find("tesk").tells is CallsBack.YES
        assert registry.change("tesk", calls_back=CallsBack.NO).tells is CallsBack.NO
        server = registry.change("tesk", calls_back=CallsBack.UNKNOWN)
        assert server.tells is CallsBack.UNKNOWN
        blank = replace(LEARNT, told=0, found=0, learnt=CallsBack.UNKNOWN)
        assert replace(server.polling, claim=blank.claim, held_until=None) == blank

    def test_a_poll_that_is_under_way_does_not_bring_the_old_back(self, registry, servers):
        server = servers.find("tesk")
        assert servers.claim(server, START + timedelta(seconds=10))
        registry.change("tesk", calls_back=CallsBack.UNKNOWN)
        assert not servers.polled("tesk", server.polling.claim + 1, LEARNT)
        assert registry.find("tesk").tells is CallsBack.UNKNOWN

    def test_a_poll_that_begins_just_then_has_the_claim_taken_from_it(self, registry, servers):
        claim, claims = servers.claim, []

        def claim_second(server, until):
            if not claims:
                claims.append(claim(server, START + timedelta(seconds=10)))
            return claim(server, until)

        servers.claim = claim_second
        registry.change("tesk", calls_back=CallsBack.UNKNOWN)
        assert claims == [True]
        assert registry.find("tesk").tells is CallsBack.UNKNOWN
        assert registry.find("tesk").polling.held_until is None


def test_the_default_server_is_made_once_and_changed_then(registry):
    registry.make_default("http://one:8000", Access.OPEN)
    registry.make_default("http://two:8000/", Access.TOKEN)
    (server,) = registry.list()
    assert (server.key, server.url, server.access) == ("default", "http://two:8000", Access.TOKEN)
    assert registry.resolve(None) == "default"
