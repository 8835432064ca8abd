"""The billing application's own actions on VMs. `vm_action` refuses them while puq-backups works on the VM."""

import os
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from proxmoxer import ProxmoxAPI

from .host import backups, params_of
from .models import Service, db
from .packages import PACKAGES

NODE = "pve"
TASK_SECONDS = 30


class TaskFailed(Exception):
    """A task failed at Proxmox; the text is the reason."""


def start(service: Service) -> None:
    """Start the machine. Refused while a backup or restore runs."""
    with backups.vm_action(service.id):
        _do(lambda vm: vm.status.start.post(), service)


def stop(service: Service) -> None:
    """Stop the machine. Refused while a backup or restore runs."""
    with backups.vm_action(service.id):
        _do(lambda vm: vm.status.stop.post(), service)


def change_package(service: Service, package: str) -> None:
    """Set CPU cores and memory of a package, then report it to puq-backups, so that its quota counts at once."""
    wanted = PACKAGES[package]
    with backups.vm_action(service.id):
        config = {"cores": wanted["CPU cores"], "memory": wanted["RAM MiB"]}
        _do(lambda vm: vm.config.post(**config), service)
        service.package = package
        db.session.commit()
    answer = backups.call("ChangePackage", params_of(service))
    if answer != "success":
        raise TaskFailed(answer)


def status(service: Service) -> str:
    """Return the VM's current status from Proxmox: `running` or `stopped`."""
    return str(_proxmox().nodes(NODE).qemu(service.vmid).status.current.get()["status"])


def _do(action: Callable[[Any], str], service: Service) -> None:
    """Start a Proxmox task and wait for its end, at most TASK_SECONDS. Raises TaskFailed."""
    node = _proxmox().nodes(NODE)
    upid = action(node.qemu(service.vmid))
    until = time.monotonic() + TASK_SECONDS
    while (task := node.tasks(upid).status.get())["status"] == "running":
        if time.monotonic() > until:
            raise TaskFailed("Proxmox is still busy with it.")
        time.sleep(0.2)
    if task["exitstatus"] != "OK":
        raise TaskFailed(task["exitstatus"])


def _proxmox() -> ProxmoxAPI:
    url, token = urlsplit(os.environ["DEMO_PROXMOX_URL"]), os.environ["DEMO_PROXMOX_TOKEN"]
    user, _, name = token.partition("!")
    return ProxmoxAPI(
        url.hostname,
        port=url.port,
        user=user,
        token_name=name,
        token_value=os.environ["DEMO_PROXMOX_SECRET"],
        verify_ssl=os.environ["DEMO_PROXMOX_CA"],
        timeout=15,
    )
