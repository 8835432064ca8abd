"""`simulate` as a process."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from support.waiting import PATIENCE


def _run(*arguments):
    command = [sys.executable, "-m", "puq_backups.simulator.cli", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_simulate_prints_one_line_serves_and_cleans_up(tmp_path):
    state = tmp_path / "state.json"
    token = {"user": "root@pam", "token": "root@pam!x", "secret": "s", "privsep": 0}
    config = {"name": "one", "memory": "512"}
    state.write_text(
        json.dumps({"node": "pve", "vms": {"100": {"config": config}}, "storages": [], "tokens": {"root": token}})
    )
    with _run("--pve", "8.4", "--state", str(state), "--time-scale", "0") as process:
        ready = json.loads(process.stdout.readline())
        headers = {"Authorization": "PVEAPIToken=root@pam!x=s"}
        url = f"{ready['url']}/api2/json/nodes/pve/qemu/100/config"
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(url, headers=headers, verify=ready["ca_file"], timeout=PATIENCE)
        assert answer.json()["data"]["name"] == "one"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == ""
        assert process.wait(PATIENCE) == 0
    assert not Path(ready["ca_file"]).exists()


@pytest.mark.flow
def test_simulate_refuses_a_version_it_does_not_know():
    with _run("--pve", "7.4") as process:
        assert process.wait(PATIENCE) == 2
