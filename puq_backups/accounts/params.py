"""Reads service, client, VM and server from the host's params. Raises BadInput with the name of a wrong parameter."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..context import Context
from ..errors import BadInput
from ..models import is_valid_id
from ..pve import paths
from ..pve.client import Access
from ..rules.package import read_mapping

CLIENT_FIELDS = ("firstname", "lastname", "companyname", "email", "language", "timezone")
MAX_TEXT_LENGTH = 255


def service_id(params: Mapping[str, Any]) -> str:
    """The id of the service (`serviceid`). Raises BadInput for one that no route can hold."""
    found = _id(params, "serviceid")
    if "/" in found or found in {".", ".."}:
        raise BadInput("serviceid", "serviceid is part of web addresses: it must hold no slash and not be . or ..")
    return found


def client_id(params: Mapping[str, Any]) -> str:
    """The id of the client (`userid`)."""
    return _id(params, "userid")


def _id(params: Mapping[str, Any], name: str) -> str:
    raw = params.get(name)
    found = "" if raw is None else str(raw).strip()
    if not is_valid_id(found):
        raise BadInput(name, "{name} is missing or longer than 64 characters.", name=name)
    return found


def vmid(params: Mapping[str, Any]) -> int:
    """The VMID of the service (`customfields.vmid`), 100 or higher."""
    found = str(read_mapping(params, "customfields").get("vmid") or "").strip()
    if not (re.fullmatch(r"[0-9]{1,9}", found) and int(found) >= 100):  # noqa: PLR2004 - Proxmox's own lowest
        raise BadInput("vmid", "customfields.vmid must be the number of the virtual machine, from 100.")
    return int(found)


def node(params: Mapping[str, Any]) -> str:
    """The node that the host names (`customfields.node`), or "". Raises BadInput if no node can have that name."""
    found = text(read_mapping(params, "customfields").get("node"))
    return str(paths.node(found)) if found else ""


def client(params: Mapping[str, Any]) -> dict[str, str]:
    """The stored client details, by the names in CLIENT_FIELDS."""
    details = read_mapping(params, "clientsdetails")
    return {name: text(details.get(name)) for name in CLIENT_FIELDS}


def text(raw: Any) -> str:
    """`raw` as text without NUL characters and surrogates, at most 255 characters, as every database accepts."""
    found = str("" if raw is None else raw).encode(errors="replace").decode()
    return found.replace("\0", "").strip()[:MAX_TEXT_LENGTH]


def server_access(params: Mapping[str, Any], context: Context) -> Access:
    """Addresses, API token and certificate of the server (`serverhostname`, `serverport`, `serverusername`, ...)."""
    port = str(params.get("serverport") or "8006")
    if not (re.fullmatch(r"[0-9]{1,5}", port) and 0 < int(port) < 65536):  # noqa: PLR2004 - the ports there are
        raise BadInput("serverport", "serverport must be a number from 1 to 65535; it is {port}.", port=port[:40])
    hosts = tuple(host.strip() for host in str(params.get("serverhostname") or "").split(",") if host.strip())
    if not hosts:
        raise BadInput("serverhostname", "serverhostname is missing: the host name of the Proxmox node.")
    for name, text_given, most in (
        ("serverhostname", ",".join(hosts), 255), ("serverusername", str(params.get("serverusername") or ""), 190),
        ("serveraccesshash", str(params.get("serveraccesshash") or ""), 2000),
    ):  # fmt: skip
        if len(text_given) > most:
            raise BadInput(name, "{name} may have at most {most} characters.", name=name, most=most)
    if not params.get("serverpassword"):
        raise BadInput("serverpassword", "serverpassword is missing: the secret of the API token.")
    return Access(
        hosts=hosts, port=int(port), token_id=str(params.get("serverusername") or ""),
        secret=str(params["serverpassword"]), fingerprint=str(params.get("serveraccesshash") or "").strip() or None,
        ca_file=context.settings.ca_file or None,
        connect_timeout=context.settings.connect_timeout.total_seconds(),
        read_timeout=context.settings.read_timeout.total_seconds(),
    )  # fmt: skip
