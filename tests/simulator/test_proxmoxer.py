"""What proxmoxer's documentation shows (proxmoxer.github.io/docs), done with the simulator as with a Proxmox."""

from urllib import parse

import pytest
from proxmoxer import ProxmoxAPI
from proxmoxer.core import ResourceException
from proxmoxer.tools import Tasks

pytestmark = pytest.mark.slow

NODE = "pve1"


@pytest.fixture
def prox(proxmox):
    token, secret = proxmox.tokens["root"]
    user, _, name = token.partition("!")
    return ProxmoxAPI(
        proxmox.host, port=proxmox.port, user=user, token_name=name, token_value=secret, verify_ssl=proxmox.ca_file
    )


@pytest.fixture
def template(proxmox):
    return next(guest for guest in proxmox.vms.values() if guest.is_template)


def test_all_vms_of_all_nodes(prox, proxmox):
    found = {vm["vmid"]: vm["status"] for node in prox.nodes.get() for vm in prox.nodes(node["node"]).qemu.get()}
    assert found == {guest.vmid: guest.status for guest in proxmox.vms.values()}


def test_containers_of_all_nodes(prox):
    assert [prox(f"nodes/{node['node']}/lxc").get() for node in prox.nodes.get()] == [[], [], []]


def test_the_ways_to_call_the_same_path(prox):
    calls = [
        prox.nodes(NODE).storage.get(),
        prox.nodes(NODE).get("storage"),
        prox.get(f"nodes/{NODE}/storage"),
        prox.get("nodes", NODE, "storage"),
        prox("nodes")(NODE).storage.get(),
        prox(["nodes", NODE]).storage.get(),
        prox(["nodes", NODE]).get("storage"),
        prox("nodes")(NODE)("storage").get(),
    ]
    assert calls[0]
    assert all(sorted(one, key=str) == sorted(calls[0], key=str) for one in calls)


def test_tasks(prox):
    upid = prox.nodes(NODE).vzdump.create(vmid=100, storage="nfs")
    ended = Tasks.blocking_status(prox, upid)
    assert (ended["status"], ended["exitstatus"]) == ("stopped", "OK")
    told = Tasks.decode_upid(upid)
    assert {key: ended[key] for key in ("upid", "node", "pid", "pstart", "starttime", "type", "id")} == {
        key: told[key] for key in ("upid", "node", "pid", "pstart", "starttime", "type", "id")
    }
    log = Tasks.decode_log(prox.nodes(NODE).tasks(upid).log.get())
    assert log.startswith("INFO: starting new backup job: vzdump 100 --storage nfs")
    assert log.endswith("TASK OK")
    assert [task["upid"] for task in prox.nodes(NODE).tasks.get(limit=3, source="all")] == [upid]


def test_a_vm_with_cloud_init_from_a_template(prox, proxmox, template):
    node = template.node
    made = int(prox.cluster.nextid.get())
    Tasks.blocking_status(prox, prox.nodes(node).qemu(template.vmid).clone.create(newid=made))
    keys = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHkL4xN8ZbC2y7q1o0uFJv3mYzW5tRkE6dA9sQnPcVgT anna@example.org"
    prox.nodes(node).qemu(made).config.set(
        ciuser="anna",
        cipassword="secret",
        sshkeys=parse.quote(keys, safe=""),
        ciupgrade=0,  # the page has False here, which Proxmox's schema refuses
        ipconfig0="ip=192.168.125.25/32,gw=192.168.0.1",
        nameserver="1.1.1.1",
        searchdomain="example.com",
    )
    started = Tasks.blocking_status(prox, prox.nodes(node).qemu(made).status.start.post())
    assert started["exitstatus"] == "OK"
    config = prox.nodes(node).qemu(made).config.get()
    assert (config["cipassword"], config["ciupgrade"]) == ("**********", 0)
    assert parse.unquote(config["sshkeys"]) == keys
    assert proxmox.vm(made).running


def test_snapshots_and_power(prox, proxmox):
    vm = prox.nodes("pve2").qemu(101)
    for upid in (vm.snapshot.create(snapname="before"), vm.status.shutdown.create(), vm.snapshot("before").delete()):
        assert Tasks.blocking_status(prox, upid)["exitstatus"] == "OK"
    assert not proxmox.vm(101).running


def test_what_is_refused(prox):
    with pytest.raises(ResourceException) as refused:
        prox.nodes(NODE).qemu(100).config.set(memory="much")
    assert refused.value.status_code == 400
    assert set(refused.value.errors) == {"memory"}
    with pytest.raises(ResourceException) as refused:
        prox.nodes(NODE).qemu(100).config.set(onboot=False)
    assert refused.value.errors == {"onboot": "type check ('boolean') failed - got 'False'"}
    with pytest.raises(ResourceException, match="501"):
        prox.access.users.get()
