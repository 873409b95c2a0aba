"""Which servers are believed to be who they say."""

from pathlib import Path

import pytest

from callback_service.adapters.tes_server import HttpTesServers
from callback_service.domain.errors import ConfigError
from callback_service.domain.server import Server
from tests.adapters.tes_certificates import Certificates, make_certificates
from tests.adapters.tes_talkers import CREATE, OK, READ, Line, always, asking, outcome, talker
from tests.fakes.clock import START


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_a_private_authority_is_trusted_where_it_is_named(certificates: Certificates, name: str):
    with (
        talker(always(OK), tls=certificates.server, name=name) as told,
        asking(ca_file=certificates.ca_file) as servers,
    ):
        assert servers.ask(told.server, READ).status == 200
        assert servers.ask(told.server, CREATE).status == 200
        assert servers.ask(told.server, READ).status == 200
        # Kept connections are used again under TLS, too.
        assert len(told.lines) == 2


def test_an_authority_that_nobody_named_is_not_trusted(certificates: Certificates):
    with talker(always(OK), tls=certificates.server) as told, asking() as servers:
        failure = str(outcome(servers, told.server))
    assert "shows a TLS certificate that is not trusted" in failure
    assert "`custom.servers.ca_file`" in failure
    assert told.requests == []


@pytest.mark.parametrize(
    ("name", "context", "reason"),
    [("localhost.test", "server", "ostname mismatch"), ("localhost", "expired", "has expired")],
)
def test_a_certificate_that_does_not_hold_is_refused(
    certificates: Certificates, name: str, context: str, reason: str
):
    def resolve(_host: str, port: int, **_options: object) -> list[object]:
        return [(2, 1, 6, "", ("127.0.0.1", port))]

    with (
        talker(always(OK), tls=getattr(certificates, context), name=name) as told,
        asking(ca_file=certificates.ca_file, resolve=resolve) as servers,
    ):
        failure = str(outcome(servers, told.server))
    assert "is not trusted" in failure
    assert reason in failure
    assert told.requests == []


def test_a_server_that_speaks_no_tls():
    def talk(line: Line) -> None:
        line.sock.recv(4096)
        line.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        line.wait_for_end()

    with talker(talk) as told, asking() as servers:
        server = Server("tes-1", told.url.replace("http:", "https:"), START)
        failure = str(outcome(servers, server))
    assert failure.startswith("the TES server tes-1 cannot be asked by TLS (")


@pytest.mark.parametrize("text", [None, "", "no certificate"])
def test_an_authority_that_cannot_be_read_is_a_wrong_setting(tmp_path: Path, text: str | None):
    path = tmp_path / "ca.pem"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=r"custom\.servers\.ca_file: .*ca\.pem"):
        HttpTesServers(ca_file=path)
