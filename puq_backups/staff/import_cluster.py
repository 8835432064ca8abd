"""What a Proxmox cluster holds that an import takes over: its VMs, and the archives of each on all storages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from ..accounts import same_server
from ..accounts.register import ProxmoxVm, read_vm
from ..context import Context
from ..errors import Message, ProxmoxError, Refused
from ..pve import archives, vms
from ..pve.client import Access


@dataclass(frozen=True)
class Located:
    """An archive, the node that can read it, and the node that holds it ("" on a shared storage)."""

    archive: archives.Archive
    node: str
    holder: str


class Cluster:
    """A cluster as seen at one moment. `trouble` says which storages could not be listed.

    The number of calls to Proxmox depends on its nodes and storages, not on its VMs.
    """

    def __init__(self, context: Context, access: Access, service_id: str) -> None:
        """Read the cluster. Raises ProxmoxError if it cannot be reached; `service_id` is any service on it."""
        self.access = access
        self.proxmox = context.connect_with(access)
        self.places = vms.locate(self.proxmox)
        self.same = same_server.find_same(context, access, service_id)
        self.trouble: list[Message] = []
        self.archives: dict[int, list[Located]] = defaultdict(list)
        self._list_storages(vms.online_nodes(self.proxmox))

    def _list_storages(self, nodes: Collection[str]) -> None:
        listed = set()
        for node in nodes:
            for storage in archives.storages(self.proxmox, node):
                usable = "backup" in storage.content and storage.enabled and storage.active
                if usable and storage.storage not in listed:
                    self._list(storage.storage, node, "" if storage.shared else node)
                if storage.shared:
                    listed.add(storage.storage)

    def _list(self, storage: str, node: str, holder: str) -> None:
        try:
            found = archives.listing(self.proxmox, node, storage)
        except ProxmoxError as error:
            about = {"storage": storage, "node": node, "reason": error.message}
            self.trouble.append(Message("The storage {storage}, seen from {node}, was not listed: {reason}", about))
            return
        for archive in found:
            self.archives[archive.vmid].append(Located(archive, node, holder))

    def machine(self, vmid: int) -> ProxmoxVm:
        """Read a VM; one call. Raises Refused if the token does not see it."""
        place = self.places.get(vmid)
        if place is None:
            raise Refused("Proxmox has no virtual machine {vmid}, or the token may not see it.", vmid=vmid)
        return read_vm(self.proxmox, vmid, place.node, place.status)

    def disks_of(self, located: Located, identity: str) -> int | None:
        """Return the number of disks in an archive; None if it holds another machine, or does not say which.

        Reads the archive's own configuration; one call.
        """
        try:
            config = archives.archived_config(self.proxmox, located.node, located.archive.volid)
        except ProxmoxError:
            return None
        return vms.backed_up_disks(config) if identity and vms.identity(config) == identity else None
