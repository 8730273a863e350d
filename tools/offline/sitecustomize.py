"""Keeps a Python process on this machine: names and addresses outside loopback are refused.

Python imports a `sitecustomize` that it finds on PYTHONPATH before anything else. The tests and the
executed chapters put this folder there, so their kernels and child processes are held too.
"""

import ipaddress
import socket


class NetworkBlocked(RuntimeError):
    """A test or a chapter tried to leave the machine."""


def _is_local(host: object) -> bool:
    if host is None or host in ("", b"", "localhost", b"localhost", "0.0.0.0", "::"):
        return True
    text = host.decode() if isinstance(host, bytes) else str(host)
    if text == socket.gethostname():
        return True
    try:
        return ipaddress.ip_address(text.split("%")[0]).is_loopback
    except ValueError:
        return False


def _refuse(host: object) -> None:
    raise NetworkBlocked(f"{host!r} is outside this machine; chapters and tests run offline")


def _check_address(family: int, address: object) -> None:
    if family == getattr(socket, "AF_UNIX", None):
        return
    if isinstance(address, tuple) and not _is_local(address[0]):
        _refuse(address[0])


def install() -> None:
    """Wrap the ways out of Python's socket module; a second call does nothing."""
    if getattr(socket, "_course_offline", False):
        return
    socket._course_offline = True
    lookup = socket.getaddrinfo

    def getaddrinfo(host, *args, **kwargs):
        if not _is_local(host):
            _refuse(host)
        return lookup(host, *args, **kwargs)

    class Socket(socket.socket):
        def connect(self, address):
            _check_address(self.family, address)
            return super().connect(address)

        def connect_ex(self, address):
            _check_address(self.family, address)
            return super().connect_ex(address)

        def sendto(self, data, *rest):
            _check_address(self.family, rest[-1])
            return super().sendto(data, *rest)

    socket.getaddrinfo = getaddrinfo
    socket.socket = Socket


install()
