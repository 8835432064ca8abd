"""Serializer as Proxmox gives them, for `responses`; and the recordings, where they lie beside the repository."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import responses

from puq_backups.pve.client import Access, Proxmox

RECORDED = Path(__file__).resolve().parents[3] / "shared" / "pve"
SECRET = "7f1a0f2e-secret-of-the-token"
UPID = "UPID:pve1:00001C20:00089416:6B03DABF:vzdump:100:backup@pve!panel:"
API = "https://pve1:8006/api2/json"


def proxmox(*hosts: str, **access: Any) -> Proxmox:
    return Proxmox(Access(hosts=hosts or ("pve1",), token_id="backup@pve!panel", secret=SECRET, **access))


class Answer(responses.Response):
    """An answer with a reason phrase of its own, which is where Proxmox puts its message."""

    def __init__(self, *args: Any, reason: str | None = None, **kwargs: Any) -> None:
        self.reason = reason
        super().__init__(*args, **kwargs)

    def get_response(self, request: Any) -> Any:
        answer = super().get_response(request)
        if self.reason is not None:
            answer.reason = self.reason
        return answer


def good(method: str, path: str, data: Any, **more: Any) -> responses.BaseResponse:
    return responses.add(Answer(method, f"{API}/{path}", json={"data": data}, **more))


def refused(
    method: str, path: str, status: int, reason: str, errors: dict[str, str] | None = None, *, body: bool = True
) -> responses.BaseResponse:
    """An answer of 400 and above. Without `body` it is empty, as that of 401 and 59x."""
    said = {"data": None, "message": f"{reason}\n"} | ({"errors": errors} if errors else {})
    text = json.dumps(said) if body else ""
    return responses.add(Answer(method, f"{API}/{path}", status=status, reason=reason, body=text))


def recorded_steps() -> Iterator[dict[str, Any]]:
    """Every recorded step of every version; none without the recordings."""
    for file in sorted(RECORDED.glob("*/*.json")):
        yield from json.loads(file.read_text())["steps"]
