"""Tries a changed access to a service's server before it replaces the recorded one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from ..context import Context
from ..errors import BadInput, Message, ProxmoxError
from ..i18n.translator import N_
from ..models import Service
from ..pve import vms
from ..pve.client import Access
from . import params as given
from . import same_server, servers

OTHERS = 2
"""Further services of the server whose VMs are compared: one VM alone may have been migrated to another cluster."""


@dataclass(frozen=True)
class AccessChange:
    """`access` was tried and replaces the recorded one; `against` says why it does not, `wrong` what is invalid."""

    access: Access | None = None
    against: Message | None = None
    wrong: BadInput | None = None


def tried(context: Context, service_id: str, params: Mapping[str, Any]) -> AccessChange:
    """Try the access in `params` if it is another than the recorded one. No transaction may be open."""
    if not (params.get("serverhostname") and params.get("serverpassword")):
        return AccessChange()
    try:
        access = given.server_access(params, context)
    except BadInput as error:
        return AccessChange(wrong=error)
    with context.database.open() as session:
        service = session.get(Service, service_id)
        if service is None or servers.has_access(session, context, service.server_id, access):
            return AccessChange()
        others = select(Service).where(
            Service.server_id == service.server_id, Service.id != service.id, Service.active_vmid.is_not(None),
            Service.vm_identity != "",
        )  # fmt: skip
        compared = [service, *session.scalars(others.limit(OTHERS))]
    return _compare(context, access, compared)


def _compare(context: Context, access: Access, services: list[Service]) -> AccessChange:
    """Whether the VMs of the server are seen through `access`."""
    try:
        proxmox = context.connect_with(access)
        if same_server.shows(proxmox, vms.locate(proxmox), services):
            return AccessChange(access)
    except ProxmoxError as error:
        text = N_("The changed access to the server was not taken over, because Proxmox refused it: {proxmox}")
        return AccessChange(against=Message(text, proxmox=error))
    return AccessChange(against=Message(
        "The changed access to the server was not taken over: its virtual machines are not seen there. "
        "CreateAccount registers a service on another server."
    ))  # fmt: skip
