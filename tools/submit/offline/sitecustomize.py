"""A machine without network: every Python process with this folder on its PYTHONPATH runs as on one.

Python imports this file by itself at start. Names of other machines do not resolve and connections to them are
refused; this machine talking to itself (the engine's own processes) goes on. Only Python's sockets are stopped, not
a library's own in C: it finds out what a submission would miss, it is no guard against a hostile one.
"""

from __future__ import annotations

import errno
import socket
from typing import Any

_LOCAL = {"localhost", "::1", "::", "0.0.0.0", "", socket.gethostname()}
_connect, _connect_ex, _getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo


def _is_local(host: Any) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    return name is None or name in _LOCAL or str(name).startswith("127.")


def _may_reach(address: Any) -> bool:
    return not isinstance(address, tuple) or _is_local(address[0])  # a Unix socket's address is no tuple


def _connect_here(self: socket.socket, address: Any) -> None:
    if not _may_reach(address):
        raise OSError(errno.ENETUNREACH, f"no network here: {address}")
    _connect(self, address)


def _connect_here_ex(self: socket.socket, address: Any) -> int:
    return _connect_ex(self, address) if _may_reach(address) else errno.ENETUNREACH


def _resolve_here(host: Any, *rest: Any, **options: Any) -> Any:
    if not _is_local(host):
        raise socket.gaierror(socket.EAI_AGAIN, f"no network here: {host}")
    return _getaddrinfo(host, *rest, **options)


socket.socket.connect = _connect_here  # type: ignore[method-assign,assignment]
socket.socket.connect_ex = _connect_here_ex  # type: ignore[method-assign,assignment]
socket.getaddrinfo = _resolve_here
