"""A caller of the simulated API."""

import contextlib

import pytest
import requests
from support.waiting import PATIENCE, wait_until

DASHED = {"notes_template": "notes-template", "prune_backups": "prune-backups"}


class Api:
    """Asks the simulator as one of its tokens; answers are requests' own."""

    def __init__(self, simulator, token):
        self.simulator = simulator
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = simulator.ca_file
        token_id, secret = simulator.tokens[token]
        self.session.headers["Authorization"] = f"PVEAPIToken={token_id}={secret}"

    def ask(self, method, path, /, **params):
        params = {DASHED.get(key, key): value for key, value in params.items()}
        place = "params" if method in ("GET", "DELETE") else "data"
        url = f"{self.simulator.url}/api2/json{path}"
        return self.session.request(method, url, timeout=PATIENCE, **{place: params})

    def data(self, method, path, /, **params):
        answer = self.ask(method, path, **params)
        assert answer.status_code == 200, answer.reason
        return answer.json()["data"]

    def task(self, method, path, /, **params):
        return self.wait(self.data(method, path, **params))

    def wait(self, upid):
        """How a task ended."""
        base = f"/nodes/{upid.split(':')[1]}/tasks/{upid}/status"
        wait_until(lambda: self.data("GET", base)["status"] != "running", lambda: self.data("GET", base), pause=0.01)
        return self.data("GET", base)["exitstatus"]

    def log(self, upid):
        base = f"/nodes/{upid.split(':')[1]}/tasks/{upid}/log"
        return [line["t"] for line in self.data("GET", base, limit=0)]

    def backup(self, vmid, node, storage="nfs", **params):
        return self.data("POST", f"/nodes/{node}/vzdump", vmid=vmid, storage=storage, **params)


@pytest.fixture
def caller(proxmox):
    """Makes callers by token name."""
    with contextlib.ExitStack() as stack:

        def make(token):
            api = Api(proxmox, token)
            stack.callback(api.session.close)
            return api

        yield make


@pytest.fixture
def api(caller):
    return caller("root")
