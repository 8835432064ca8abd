"""Address, API token and certificate of a Proxmox server."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import BadInput

TOKEN_ID = re.compile(r"[^\s:/@!=]+(?:@[^\s:/@!=]+)*@[A-Za-z][A-Za-z0-9_.-]*![A-Za-z][A-Za-z0-9_.-]*")
HOST = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*")
FINGERPRINT = re.compile(r"(?:[0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}")
SECRET = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True)
class Access:
    """Address, credentials and trust of a Proxmox server.

    hosts: nodes of one cluster, tried in turn.
    token_id: `user@realm!token`; secret: the token's secret.
    port: TCP port. Default 8006.
    fingerprint: SHA-256 of the certificate, or one per host, separated by commas. Default None: `ca_file`, or else
        the system's CAs, must know the certificate.
    connect_timeout, read_timeout: seconds. Defaults 5 and 35.

    Raises BadInput, which names the WHMCS parameter that is wrong.
    """

    hosts: tuple[str, ...]
    token_id: str
    secret: str = field(repr=False)
    port: int = 8006
    fingerprint: str | None = None
    ca_file: str | None = None
    connect_timeout: float = 5
    read_timeout: float = 35

    def __post_init__(self) -> None:
        hosts = tuple(host.strip() for host in self.hosts if host.strip())
        object.__setattr__(self, "hosts", hosts)
        self._check_address()
        if not TOKEN_ID.fullmatch(self.token_id):
            raise BadInput("serverusername", "The API token (serverusername) must look like user@realm!name.")
        if not SECRET.fullmatch(self.secret):
            raise BadInput(
                "serverpassword",
                "The API token's secret (serverpassword) is empty or holds characters it cannot have.",
            )
        if self.ca_file and not Path(self.ca_file).is_file():
            raise BadInput("ca_file", "There is no CA file at {path}.", path=self.ca_file)

    def _check_address(self) -> None:
        if not self.hosts:
            raise BadInput("serverhostname", "The Proxmox server has no host name.")
        for host in self.hosts:
            if not _is_host(host):
                raise BadInput(
                    "serverhostname", "serverhostname: {host} is no host name or address.", host=repr(host)
                )
        if isinstance(self.port, bool) or not isinstance(self.port, int) or not 0 < self.port < 65536:  # noqa: PLR2004 - the highest port
            raise BadInput("serverport", "serverport: {port} is no port number.", port=repr(self.port))
        fingerprints = _fingerprints(self.fingerprint)
        if not all(FINGERPRINT.fullmatch(one) for one in fingerprints) or len(fingerprints) not in {
            0,
            1,
            len(self.hosts),
        }:
            raise BadInput(
                "serveraccesshash",
                "The fingerprint (serveraccesshash) must be the certificate's SHA-256, 32 pairs of hexadecimal "
                "digits; one for all hosts, or one for each.",
            )

    def fingerprint_of(self, host: str) -> str | None:
        """The fingerprint that this host's certificate must have; None: it is verified by a CA."""
        fingerprints = _fingerprints(self.fingerprint)
        return fingerprints[self.hosts.index(host) if len(fingerprints) > 1 else 0] if fingerprints else None


def _fingerprints(text: str | None) -> list[str]:
    return [part for part in re.split(r"[\s,;]+", text or "") if part]


def _is_host(host: str) -> bool:
    try:
        ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return bool(HOST.fullmatch(host)) and len(host) <= 253  # noqa: PLR2004 - the longest DNS name
    return True
