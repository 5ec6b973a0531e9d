"""Loopback addresses and free ports. The demo is open to whoever can reach it, so nobody else may."""

from __future__ import annotations

import ipaddress
import socket

from mlflow_oidc_auth.errors import StartRefused

_TRIES = 20


def require_loopback(host: str) -> str:
    """The loopback address that `host` means.

    SECURITY: the demo logs anybody in as anybody, without a password.

    Raises:
        StartRefused: other machines could reach it.
    """
    if host == "localhost":
        return "127.0.0.1"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if address is None or address.version != 4 or not address.is_loopback:
        raise StartRefused(
            f"The demo logs anybody in as anybody, so it listens on 127.0.0.1 only, not on {host}. "
            "For a server that others reach, follow 'Production' in the README."
        )
    return host


def free_port(host: str, wanted: int) -> int:
    """`wanted`, or the next port after it that nobody listens on.

    Raises:
        StartRefused: there is none near it.
    """
    for port in range(wanted, min(wanted + _TRIES, 65536)):
        if _is_free(host, port):
            return port
    raise StartRefused(f"Ports {wanted} to {wanted + _TRIES - 1} are all taken; choose another with --port.")


def _is_free(host: str, port: int) -> bool:
    """SO_REUSEADDR as servers set it: a port that only waits for its last packets is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True
