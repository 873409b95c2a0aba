"""Which network addresses deliveries may go to."""

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from callback_service.domain.errors import InvalidInput

Address = IPv4Address | IPv6Address

# Cloud metadata services that a general rule would let pass: Azure's is a public
# address, the others may lie within a range that an operator has reason to allow.
METADATA = frozenset(
    map(
        ip_address,
        (
            "169.254.169.254",
            "168.63.129.16",  # Azure
            "100.100.100.200",  # Alibaba
            "192.0.0.192",  # Oracle, and the next
            "fd00:c1::a9fe:a9fe",
            "fd00:ec2::254",  # Amazon, and the next: credentials of pods
            "fd00:ec2::23",
            "fd20:ce::254",  # Google
        ),
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")
# Hosts on the internet have IPv6 addresses from this range only. Python calls others global too,
# among them obsolete ones that stand for an IPv4 address or for a host of one's own site.
_IPV6_UNICAST = IPv6Network("2000::/3")
# Kept for special uses (IANA), which not every patch release of Python knows.
_SPECIAL = (ip_network("192.0.0.0/24"), ip_network("3fff::/20"))


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Public addresses, and the CIDR ranges that the operator allowed besides.

    Link-local and metadata addresses are refused whatever is allowed.
    """

    allowed: tuple[str, ...] = ()

    def refuses(self, text: str) -> str | None:
        """The reason why nothing may be sent to an address, or None where it may."""
        address = _plain(ip_address(text.partition("%")[0]))
        if address in METADATA or address.is_link_local:
            return f"{address} is a link-local or metadata address, which is never allowed"
        if address.is_multicast or address.is_unspecified:
            return f"{address} is not the address of one host"
        if _is_public(address) or any(address in ip_network(cidr) for cidr in self.allowed):
            return None
        return f"{address} is not a public address, and its range is not in `egress.allow`"

    def check_host(self, host: str, field: str) -> None:
        """Raise `InvalidInput` where a URL's host is a literal address that is refused.

        Names are resolved, and checked, when a connection is made: what a name
        means now says nothing about what it will mean then.
        """
        literal = _literal(host)
        reason = self.refuses(literal) if literal else None
        if reason:
            raise InvalidInput(field, reason)


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address) and address not in _IPV6_UNICAST:
        return False
    return address.is_global and not any(address in network for network in _SPECIAL)


def _plain(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one, for both reach the same host."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return address.ipv4_mapped
        if address.sixtofour:
            return address.sixtofour
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _literal(host: str) -> str | None:
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return "127.0.0.1"
    try:
        return str(ip_address(name.partition("%")[0]))
    except ValueError:
        pass
    try:
        # Resolvers also read 127.1, 0x7f000001 and 2130706433 as addresses.
        return socket.inet_ntoa(socket.inet_aton(name))
    except (OSError, UnicodeError):
        return None
