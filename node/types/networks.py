"""Addresses of the network that are one client's: what is counted by address goes by them.

Of IPv6 addresses a client has 2^64 for the asking: those of one network count as one.
"""

from ipaddress import IPv6Address


def network_of(address: str) -> str:
    """Return what stands for all addresses that one client has with ``address``.

    Itself; of IPv6 its first 64 bits, unless it stands for an IPv4 address. What is no address at
    all stands for itself.
    """
    if ":" not in address:
        return address
    try:
        whole = IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if whole.ipv4_mapped is not None:
        return str(whole.ipv4_mapped)
    return str(IPv6Address(int(whole) >> 64 << 64))
