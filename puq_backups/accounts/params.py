"""What a host's params say of a service: who, which VM, on which server. BadInput names what cannot be right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..context import Context
from ..errors import BadInput
from ..models import is_id
from ..pve.client import Access
from ..rules.package import read_mapping

CLIENT_FIELDS = ("firstname", "lastname", "companyname", "email", "language", "timezone")
MAX_TEXT_LENGTH = 255


def service_id(params: Mapping[str, Any]) -> str:
    """The service's id."""
    return _id(params, "serviceid")


def client_id(params: Mapping[str, Any]) -> str:
    """The client's id."""
    return _id(params, "userid")


def _id(params: Mapping[str, Any], name: str) -> str:
    raw = params.get(name)
    found = "" if raw is None else str(raw).strip()
    if not is_id(found):
        raise BadInput(name, "{name} is missing or longer than 64 characters.", name=name)
    return found


def vmid(params: Mapping[str, Any]) -> int:
    """The number of the service's VM."""
    found = str(read_mapping(params, "customfields").get("vmid") or "").strip()
    if not (found.isascii() and found.isdigit() and 100 <= int(found) < 10**9):  # noqa: PLR2004 - Proxmox's own lowest
        raise BadInput("vmid", "customfields.vmid must be the number of the virtual machine, from 100.")
    return int(found)


def node(params: Mapping[str, Any]) -> str:
    """The node that the host believes the VM to be on; "" where it does not say."""
    return text(read_mapping(params, "customfields").get("node"))


def client(params: Mapping[str, Any]) -> dict[str, str]:
    """What we keep of the client."""
    details = read_mapping(params, "clientsdetails")
    return {name: text(details.get(name)) for name in CLIENT_FIELDS}


def text(raw: Any) -> str:
    """A text that every database takes: no zero bytes, at most 255 characters."""
    return str("" if raw is None else raw).replace("\0", "").strip()[:MAX_TEXT_LENGTH]


def server_access(params: Mapping[str, Any], context: Context) -> Access:
    """How the server is reached."""
    port = str(params.get("serverport") or "8006")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):  # noqa: PLR2004 - the ports there are
        raise BadInput("serverport", "serverport must be a number from 1 to 65535; it is {port}.", port=port)
    hosts = tuple(host.strip() for host in str(params.get("serverhostname") or "").split(",") if host.strip())
    if not hosts:
        raise BadInput("serverhostname", "serverhostname is missing: the host name of the Proxmox node.")
    if not params.get("serverpassword"):
        raise BadInput("serverpassword", "serverpassword is missing: the secret of the API token.")
    return Access(
        hosts=hosts, port=int(port), token_id=str(params.get("serverusername") or ""),
        secret=str(params["serverpassword"]), fingerprint=str(params.get("serveraccesshash") or "").strip() or None,
        ca_file=context.settings.ca_file or None,
        connect_timeout=context.settings.connect_timeout.total_seconds(),
        read_timeout=context.settings.read_timeout.total_seconds(),
    )  # fmt: skip
