"""The meaning of an OSError, in words for the technician. Errors without an entry keep the system's words."""

from __future__ import annotations

import errno
import socket

from gateway.endpoints.address import Address

_NO_ROUTE = "no route to {0.host}: is the network up?"
_IN_USE = "{0.device} is in use by another program; only one at a time can have it"
_NOT_ALLOWED = (
    "no permission for {0.device}: add the user to the group dialout (usermod -a -G dialout USER) and log in again"
)
_UNPLUGGED = "{0.device} is gone: was it unplugged?"

_SERIAL = {
    errno.ENOENT: "{0.device} does not exist: is it plugged in?",
    errno.ENODEV: "{0.device} does not exist: is it plugged in?",
    errno.ENXIO: "{0.device} does not exist: is it plugged in?",
    errno.EACCES: _NOT_ALLOWED,
    errno.EPERM: _NOT_ALLOWED,
    errno.EBUSY: _IN_USE,
    errno.EAGAIN: _IN_USE,  # another process holds its lock
    errno.EIO: _UNPLUGGED,
    errno.ECONNRESET: _UNPLUGGED,  # the end of the stream: the driver hung up
}

_NETWORK = {
    errno.EADDRINUSE: "port {0.port} is in use by another program",
    errno.EADDRNOTAVAIL: "this computer does not have the address {0.host} (yet)",
    errno.EACCES: "not allowed: ports below 1024 belong to root, or a firewall forbids {0.host}",
    errno.ECONNREFUSED: "no program listens at {0.host} port {0.port}",
    errno.ECONNRESET: "{0.host} closed the connection",
    errno.EPIPE: "{0.host} closed the connection",
    errno.ETIMEDOUT: "{0.host} does not answer",
    errno.ENETUNREACH: _NO_ROUTE,
    errno.EHOSTUNREACH: _NO_ROUTE,
    errno.ENETDOWN: _NO_ROUTE,
}


class UserMayNot(OSError):
    """The listening program belongs to a user of this computer that is not allowed."""


def reason(error: OSError, address: Address) -> str:
    """One line without full stop."""
    if isinstance(error, socket.gaierror):
        return f"the name {address.host} cannot be looked up: is the network up?"
    if isinstance(error, UserMayNot):
        return f"{address.host} port {address.port} belongs to a program of a user that is not allowed (plain_users)"
    table = _SERIAL if address.kind == "serial" else _NETWORK
    words = table.get(error.errno or 0, "{0}: {1}")
    return words.format(address, error.strerror or error)
