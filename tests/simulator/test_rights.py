"""Who may what: privilege separation, filtered lists, HA and calls that are not served."""

from support.waiting import PATIENCE


def test_privilege_separation_takes_the_lesser_of_user_and_token(proxmox, caller):
    path = "/nodes/pve1/qemu/100"
    assert caller("panel").ask("DELETE", path).reason == "Permission check failed (/vms/100, VM.Allocate)"
    assert caller("reinstall").ask("DELETE", path).reason == "VM 100 is running - destroy failed"
    proxmox.control("acl", path="/", user="panel@pve", role="PanelReinstall", delete=1)
    assert caller("reinstall").ask("GET", f"{path}/config").status_code == 403


def test_listing_without_vm_backup_is_empty_and_no_error(proxmox, caller):
    assert len(caller("panel").data("GET", "/nodes/pve1/storage/nfs/content")) == 1
    proxmox.control("acl", path="/vms", user="panel@pve!puq", role="PVEAuditor")
    assert caller("panel").data("GET", "/nodes/pve1/storage/nfs/content") == []


def test_permissions_of_one_path(proxmox, caller):
    found = caller("low").data("GET", "/access/permissions", path="/vms/100")
    assert found["/vms/100"]["VM.Backup"] == 1
    assert caller("low").data("GET", "/access/permissions", path="/vms/101") == {"/vms/101": {}}


def test_destroying_a_vm_takes_the_rights_on_it_away(proxmox, caller):
    proxmox.control("vm-destroyed", vmid=100)
    assert caller("low").ask("GET", "/nodes/pve1/qemu/100/config").reason.endswith("(/vms/100, VM.Audit)")


def test_a_token_sees_only_its_own_tasks_and_none_in_the_cluster_list(proxmox, caller):
    caller("root").backup(103, "pve3")
    low = caller("low")
    low.backup(100, "pve1")
    assert [item["id"] for item in low.data("GET", "/nodes/pve1/tasks", source="all")] == ["100"]
    assert low.data("GET", "/cluster/tasks") == []


def test_ha_stop_only_asks_and_the_vm_follows(proxmox, api):
    proxmox.control("ha", vmid=103, state="started")
    upid = api.data("POST", "/nodes/pve3/qemu/103/status/stop")
    assert upid.split(":")[5] == "hastop"
    assert api.wait(upid) == "OK"
    assert proxmox.until(lambda: not proxmox.vm(103).running)
    assert api.data("GET", "/nodes/pve3/qemu/103/status/current")["ha"] == {"managed": 1, "state": "stopped"}


def test_a_call_that_is_not_served_is_501_and_named(proxmox, api):
    answer = api.ask("POST", "/nodes/pve1/qemu/100/vncproxy")
    assert answer.status_code == 501
    assert answer.reason == "Method 'POST /nodes/pve1/qemu/100/vncproxy' not implemented"


def test_every_answer_has_a_date_and_keeps_the_connection(proxmox, api):
    answer = api.ask("GET", "/version")
    assert answer.headers["Date"].endswith("GMT")
    assert answer.headers["Connection"] == "Keep-Alive"
    assert api.ask("GET", "/nope").headers["Connection"] == "close"


def test_report_counts_requests_and_tasks(proxmox, api):
    api.backup(100, "pve1")
    report = api.session.get(f"{proxmox.url}/simulator/requests", timeout=PATIENCE).json()["data"]
    assert report["requests"] == {"POST /nodes/{node}/vzdump": 1}
    assert report["tasks"] == {"vzdump": 1}


def test_no_access_on_a_vm_wins_over_what_its_pool_grants(proxmox, caller):
    proxmox.control("acl", path="/pool/customers", user="low@pve", role="PVEVMAdmin")
    path = "/nodes/pve2/qemu/101/config"
    assert caller("low").ask("GET", path).status_code == 200
    proxmox.control("acl", path="/vms/101", user="low@pve", role="NoAccess")
    assert caller("low").ask("GET", path).reason == "Permission check failed (/vms/101, VM.Audit)"


def test_no_access_on_a_pool_wins_over_a_role_on_the_vm(proxmox, caller):
    assert caller("low").ask("GET", "/nodes/pve1/qemu/100/config").status_code == 200
    proxmox.control("acl", path="/pool/customers", user="low@pve", role="NoAccess")
    assert caller("low").ask("GET", "/nodes/pve1/qemu/100/config").status_code == 403


def test_a_role_that_does_not_propagate_holds_on_its_path_only(proxmox, caller):
    proxmox.control("acl", path="/vms", user="low@pve", role="PVEVMAdmin", propagate=0)
    assert caller("low").ask("GET", "/nodes/pve2/qemu/101/config").status_code == 403
    found = caller("low").data("GET", "/access/permissions", path="/vms")
    assert found["/vms"]["VM.Audit"] == 0, "0: it does not propagate"


def test_a_group_gives_its_roles_to_its_users(proxmox, caller):
    proxmox.world.groups["operators"] = {"low@pve"}
    proxmox.control("acl", path="/vms/103", user="@operators", role="PVEAuditor")
    assert caller("low").ask("GET", "/nodes/pve3/qemu/103/config").status_code == 200


def test_who_may_ask_for_whose_permissions(proxmox, caller):
    low, root = caller("low"), caller("root")
    assert low.data("GET", "/access/permissions") == low.data("GET", "/access/permissions", userid="low@pve!tok")
    refused = low.ask("GET", "/access/permissions", userid="panel@pve")
    assert refused.reason == "Permission check failed (/access, Sys.Audit)"
    assert root.data("GET", "/access/permissions", userid="low@pve", path="/vms/101") == {"/vms/101": {}}
    assert root.data("GET", "/access/permissions", userid="low@pve!unknown") == {}


def test_the_built_in_roles_of_each_version(proxmox, api):
    nine = {one["roleid"]: one["privs"].split(",") for one in api.data("GET", "/access/roles")}
    proxmox.reset(pve="8.4")
    eight = {one["roleid"]: one["privs"].split(",") for one in api.data("GET", "/access/roles")}
    assert "VM.Monitor" in eight["PVEVMAdmin"]
    assert "VM.GuestAgent.Audit" in nine["PVEAuditor"]
    assert "VM.Monitor" not in nine["Administrator"]
    assert "Mapping.Modify" not in nine["PVEAdmin"]
    assert nine["PVETemplateUser"] == ["VM.Audit", "VM.Clone"]


def test_task_lists_are_filtered_as_proxmox_filters_them(proxmox, caller):
    root, panel = caller("root"), caller("panel")
    root.wait(root.backup(100, "pve1"))
    proxmox.control("task-warnings", type="vzdump")
    panel.wait(panel.backup(100, "pve1"))
    proxmox.control("storage-full", storage="nfs")
    root.wait(root.backup(100, "pve1"))
    proxmox.control("hold-task", type="vzdump")
    running = panel.backup(100, "pve1")
    path = "/nodes/pve1/tasks"
    states = [one["status"] for one in root.data("GET", path)]
    assert sorted(states) == ["OK", "WARNINGS: 1", "job errors"], "the archive alone, without source"
    assert root.data("GET", path, limit=0) == []
    assert [one["status"] for one in root.data("GET", path, statusfilter="warning")] == ["WARNINGS: 1"]
    assert len(root.data("GET", path, errors=1, statusfilter="ok")) == 2, "errors leaves out OK, and statusfilter"
    assert len(root.data("GET", path, userfilter="PANEL@pve")) == 1
    assert root.data("GET", path, userfilter="panel@pve!puq") == [], "ended ones bear the user without his token"
    (active,) = root.data("GET", path, source="active", userfilter="panel@pve!puq")
    assert (active["upid"], active["status"]) == (running, "RUNNING")
    assert [one["name"] for one in root.data("GET", f"{path}/{running}")] == ["log", "status"]
    proxmox.control("release")
