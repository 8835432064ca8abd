"""The module functions by the form of their answers, and values that none of them may raise on."""

from __future__ import annotations

from typing import Any

from support.world import ALICE, BOB, STAFF

from puq_backups import Actor

DICTS = {
    "MetaData", "ConfigOptions", "TestConnection", "ClientArea", "ClientAreaCustomButtonArray",
    "ClientAreaAllowedFunctions", "AdminCustomButtonArray", "AdminServicesTabFields",
}  # fmt: skip
LOADERS = ("LoadStorages", "LoadDiskStorages", "LoadBridges", "LoadTemplates")
"""A dict of choices, or a text that says why not."""

LIFECYCLE = ("CreateAccount", "SuspendAccount", "UnsuspendAccount", "TerminateAccount", "ChangePackage")
OWNERS = (
    "BackupNow", "SaveSchedule", "RestoreBackup", "RemoveBackup", "RetryRestore", "BackToBefore", "Reinstall",
    "CancelOperation", "EditNote", "KeepBackup", "UndoRemove", "DeleteBackup", "ReleaseBackup",
)  # fmt: skip
FUNCTIONS = sorted({*DICTS, *LOADERS, *LIFECYCLE, *OWNERS})
NOT_ALLOWED = "Your account does not have the right to do this."
SECRET = "5d0c9a1e-0000-4000-8000-999999999999"


def columns(row: Any) -> dict[str, Any]:
    """A row's values by their columns."""
    return {name: value for name, value in vars(row).items() if not name.startswith("_")}


ODD_PARAMS: list[Any] = [
    {}, None, [], "text", 7, {"serviceid": None}, {"serviceid": []}, {"serviceid": {}}, {"serviceid": b"1"},
    {"serviceid": "x" * 65}, {"serviceid": "a\x00b"}, {"serviceid": "nobody's"}, {"serviceid": 10**80},
    {"serviceid": 1, "customfields": None, "configoptions": None, "clientsdetails": None, "serverport": "x"},
    {"serviceid": 1, "customfields": ["vmid"], "configoptions": "Backups", "clientsdetails": 7, "userid": ["alice"]},
    {"serviceid": 1, "serverhostname": ["a"], "serverport": "²", "serverpassword": {"a": 1}, "serverusername": 7},
    {"serviceid": 1, "serverhostname": "127.0.0.1", "serverpassword": "\x00", "customfields": {"vmid": "²³¹"}},
    {"serviceid": 1, "backup_id": "\x00", "operation_id": None, "kept": "1", "note": "n" * 300},
    {"serviceid": 1, "backup_id": ["b"], "operation_id": {"o": 1}, "kept": [], "note": b"n", "confirm": 7.5},
    {"serviceid": 1, "day_0": [], "time_0": {}, "timezone": 7}, {"serviceid": 1, 5: 5, None: None},
    {"serviceid": 1, "configoption1": [3], "configoption2": {}, "configoption9": "inf", "domain": "\x00"},
]  # fmt: skip
ACTORS = (None, Actor(), ALICE, BOB, STAFF, Actor(client_id="alice", permissions=frozenset()))
