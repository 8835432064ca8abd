"""What two honest servers may answer differently, and whether two answers are otherwise the same."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

ANSWER_KEYS = ("status", "reason", "data", "errors", "message", "body")
MEASURED = frozenset(
    [
        "starttime",
        "endtime",
        "ctime",
        "snaptime",
        "time",
        "uptime",
        "pid",
        "pstart",
        "cpu",
        "loadavg",
        "mem",
        "memhost",
        "freemem",
        "netin",
        "netout",
        "disk",
        "diskread",
        "diskwrite",
        "avail",
        "used",
        "used_fraction",
        "total",
        "digest",
        "ssl_fingerprint",
        "repoid",
        "meta",
        "nics",
        "blockstat",
        "ballooninfo",
        "proxmox-support",
        "running-machine",
        "running-qemu",
        "pressurecpusome",
        "pressurecpufull",
        "pressureiosome",
        "pressureiofull",
        "pressurememorysome",
        "pressurememoryfull",
    ]
)
LATE_IN_LISTS = frozenset(("status", "name", "lock", "maxmem", "maxcpu", "maxdisk"))
"""Fields of cluster/resources and pools that come from a broadcast and may be old."""
KINDS = tuple(
    (re.compile(pattern), kind)
    for pattern, kind in (
        (r"UPID:[^:\s]+:[0-9A-F]{8}:[0-9A-F]{8,9}:[0-9A-F]{8}:([^:]*):([^:]*):([^:\s]+):", r"UPID:\1:\2:\3"),
        (r"\d{4}_\d\d_\d\d-\d\d_\d\d_\d\d", "<stamp>"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "<time>"),
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<uuid>"),
        (r"BC:24:11:(?!00:01:)[0-9A-F:]{8}", "<mac>"),
        (r"\b[0-9a-f]{40}\b", "<digest>"),
        (r"\d\d:\d\d:\d\d", "<clock>"),
        (r"[\d.]+ ?([KMG]i)?B(/s)?\b", "<amount>"),
        (r"(?<=[( ])\d+ (sec|seconds)\b", "<seconds>"),
        (r"vzdumptmp\d+", "<temporary>"),
        (r"\bpid:? ?\d+|PID \d+", "<pid>"),
        (r"[\d.]+%", "<percent>"),
        (r"ctime=\d+", "<ctime>"),
        (r" at \S+ line \d+.*", " <line>"),
    )
)
NOT_PROXMOX = re.compile(
    r"kvm:|vma|\*\* \(process|progress |CFG:|DEV:|CTIME:|total bytes|space reduction|_2|trying to acquire lock|OK$"
    r"|no lock found| +| *<percent>|INFO: +<percent>"
    r"|INFO: (Backup (started|finished) at|backup is sparse|transferred|archive file size|Finished Backup"
    r"|resuming VM again)"
)
"""Log lines that are a stand-in's words in the recordings, or measures."""

MADE_DISK = re.compile(r"^Formatting '|: successfully created disk '")
"""Log lines of disks that are made: Proxmox goes through a hash, in any order."""


def _is_measured(key: str, around: dict[str, Any]) -> bool:
    if key == "size":
        return around.get("content") != "images"
    if key in LATE_IN_LISTS and "/" in str(around.get("id", "")):
        return True
    return key in MEASURED


def normal(value: Any) -> Any:
    """A value with what may differ replaced by its kind."""
    if isinstance(value, dict):
        found = {key: "<measured>" if _is_measured(key, value) else normal(one) for key, one in value.items()}
        if "," in str(found.get("content")):
            found["content"] = ",".join(sorted(str(found["content"]).split(",")))
        return found
    if isinstance(value, list):
        return _normal_list([normal(one) for one in value])
    return _normal_text(value) if isinstance(value, str) else value


def _normal_list(found: list[Any]) -> list[Any]:
    if found and all(isinstance(one, dict) and "t" in one for one in found):
        return [one["t"] for one in found if not NOT_PROXMOX.match(one["t"])]
    if all(isinstance(one, dict) for one in found):
        return sorted(found, key=lambda one: json.dumps(one, sort_keys=True))
    return found


def _normal_text(value: str) -> str:
    for pattern, kind in KINDS:
        value = pattern.sub(kind, value)
    if value.startswith("INFO: starting new backup job"):
        head, *options = value.split(" --")
        value = " --".join([head, *sorted(options)])
    return value


def normal_answer(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer and, where a task was waited for, its end and its log."""
    found = {key: normal(answer[key]) for key in ANSWER_KEYS if key in answer}
    if task := answer.get("task"):
        found["exitstatus"] = normal(task["exitstatus"])
        found["task"] = [normal(task.get(key)) for key in ("type", "id", "user")]
        found["log"] = _normal_log(task["log"])
    return found


def _normal_log(lines: list[str]) -> list[str]:
    """The lines of a log that are Proxmox's own; progress once, disks that are made in no particular order sorted."""
    kept = [line for line in normal(lines) if line and not NOT_PROXMOX.match(line)]
    found: list[str] = []
    for is_disk, group in itertools.groupby(kept, key=lambda line: MADE_DISK.search(line) is not None):
        found += sorted(group) if is_disk else [line for line, _again in itertools.groupby(group)]
    return found


def differences(recorded: dict[str, Any], answered: dict[str, Any]) -> list[str]:
    """What differs, one text per field."""
    theirs, ours = normal_answer(recorded), normal_answer(answered)
    return [
        f"{key}: recorded {theirs.get(key)!r}, answered {ours.get(key)!r}"
        for key in {**theirs, **ours}
        if theirs.get(key) != ours.get(key)
    ]
