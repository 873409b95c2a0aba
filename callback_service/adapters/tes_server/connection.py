"""Connections to TES servers, under the deadlines of the exchanges that use them.

They are `http.client`'s, as those of requests and urllib3 are underneath, but without the layers
between: those neither let a deadline reach the socket nor tell a fresh connection from a kept
one, they tidy paths that must stay as they are (`..%2F`), and cost four times the CPU.
"""

import http.client
import socket
import ssl
import sys
from collections.abc import Sequence

from callback_service.adapters.tes_server.exchange import Exchange
from callback_service.adapters.tes_server.lookup import Address, Lookup
from callback_service.adapters.tes_server.origin import Origin
from callback_service.adapters.tes_server.provisional import AwaitedResponse


class Connection(http.client.HTTPConnection):
    """Opened by `open` only: `http.client` would open it anew in the middle of a request."""

    auto_open = 0
    response_class = AwaitedResponse

    def __init__(self, origin: Origin) -> None:
        super().__init__(origin.host, origin.port)
        # By this, `http.client` knows whether the Host header has a port.
        self.default_port = 443 if origin.is_tls else 80
        self.origin = origin
        # When it was last used.
        self.kept_at = 0.0

    def open(self, lookup: Lookup, tls: ssl.SSLContext, exchange: Exchange) -> None:
        """Raises `OSError`."""
        left = exchange.left()
        exchange.is_unreached = True
        addresses = lookup.addresses(self.origin.host, self.origin.port, left)
        sock = _connected(addresses, exchange)
        if self.origin.is_tls:
            try:
                sock = tls.wrap_socket(sock, server_hostname=self.origin.host.rstrip("."))
            except BaseException:
                sock.close()
                raise
        self.sock = sock
        exchange.is_unreached = False

    def resume(self, exchange: Exchange) -> None:
        """Use a kept connection for another exchange."""
        self.sock.settimeout(exchange.left())
        exchange.guard(self.sock)
        exchange.is_unreached = False

    def is_quiet(self) -> bool:
        """Whether the server has neither closed it nor sent what nobody asked for.

        That would be taken for the answer to whatever is asked next.
        """
        try:
            self.sock.settimeout(0)
            self.sock.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        return False


def _connected(addresses: Sequence[Address], exchange: Exchange) -> socket.socket:
    """A connection to the first address that takes one; none may use up the time of the others."""
    failure = OSError()
    for tried, (family, address) in enumerate(addresses):
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            exchange.guard(sock)
            _set_up(sock, exchange)
            sock.settimeout(exchange.left() / (len(addresses) - tried))
            sock.connect(address)
            sock.settimeout(exchange.left())
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure


def _set_up(sock: socket.socket, exchange: Exchange) -> None:
    # The body is sent after the headers, and would wait until those are acknowledged.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if sys.platform == "linux":
        # What was given up stays in the kernel, with what it has yet to send, for as long as the
        # other side is there and does not read.
        patience = max(1, int(exchange.patience * 1000))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, patience)
