import pytest

from callback_service.domain.errors import Conflict, InvalidInput, Unknown
from callback_service.domain.polling import CallsBack
from callback_service.domain.server import DEFAULT_SERVER, Server
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

    def test_there_is_one_default_the_one_that_was_marked_last(self, registry):
        register(registry, "tesk", "funnel", is_default=True)
        assert [server.key for server in registry.list() if server.is_default] == ["funnel"]
        registry.change("tesk", is_default=True)
        assert [server.key for server in registry.list() if server.is_default] == ["tesk"]


class TestChanging:
    def test_fields_are_set_and_the_others_stay(self, registry):
        register(registry, "tesk", is_default=True)
        changed = registry.change("tesk", url=URL + "/v2/", calls_back=CallsBack.YES)
        assert changed == Server("tesk", URL + "/v2", START, CallsBack.YES, is_default=True)
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
