"""No secret is written down: not under its own name, nor wherever else it turns up."""

from __future__ import annotations

from typing import Any

import pytest

from puq_backups.whmcs.masking import find_secrets, mask_text, mask_values

PARAMS: dict[Any, Any] = {
    "serviceid": 1, "serverpassword": "s3cret-value", "serverusername": "panel@pve!token",
    "customfields": {"Root Password": "s3cret", "pins": [{"api_key": 99887766}], "text": "it is s3cret-value, yes"},
    "Authorization": ("Bearer abcdef", None), "csrf_token": "", "secure": True, "tokens": {"a": {"b": "deep-one"}},
    "model": object(), 5: b"bytes",
}  # fmt: skip


def test_secrets_are_found_by_their_names_at_any_depth() -> None:
    assert find_secrets(PARAMS) == {"s3cret-value", "s3cret", "99887766", "Bearer abcdef", "deep-one"}


def test_masked_shows_everything_else() -> None:
    assert mask_values(PARAMS, find_secrets(PARAMS)) == {
        "serviceid": 1, "serverpassword": "***", "serverusername": "panel@pve!token",
        "customfields": {"Root Password": "***", "pins": [{"api_key": "***"}], "text": "it is ***, yes"},
        "Authorization": "***", "csrf_token": "", "secure": True, "tokens": "***", "model": "<object>",
        "5": "<bytes>",
    }  # fmt: skip


def test_personal_data_is_not_shown_and_no_secret() -> None:
    personal = {"clientsdetails": {"firstname": "Ann", "email": "ann@a.example"}, "note": "my notes", "vm": "Ann"}

    assert mask_values(personal, find_secrets(personal)) == {"clientsdetails": "***", "note": "***", "vm": "Ann"}
    assert find_secrets(personal) == set()


def test_longest_secret_goes_first() -> None:
    assert mask_text("s3cret-value and s3cret", {"s3cret", "s3cret-value"}) == "*** and ***"


@pytest.mark.parametrize(("text", "shown"), [("port 8006", "port 8006"), ("1", "***"), ("", "")])
def test_short_secret_is_not_looked_for_inside_texts(text: str, shown: str) -> None:
    assert mask_text(text, {"1", "80"}) == shown


@pytest.mark.parametrize("odd", [None, "text", 7, [], object()])
def test_anything_may_be_asked(odd: Any) -> None:
    assert find_secrets(odd) == set()
    assert mask_values(odd, set()) is not NotImplemented
