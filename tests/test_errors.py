"""Errors and messages: one sentence each, its values kept apart from its text."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from puq_backups import Refused, errors
from puq_backups.errors import (
    BackupsError,
    BadInput,
    Message,
    NotAllowed,
    NotFound,
    NotSignedIn,
    ProxmoxError,
    TooManyRequests,
    UnknownOutcome,
)

ALL = [thing for thing in vars(errors).values() if isinstance(thing, type) and issubclass(thing, BackupsError)]
PROXMOX = [kind for kind in ALL if issubclass(kind, ProxmoxError)]


def test_message_says_its_text_with_its_values() -> None:
    assert str(Message("All {limit} are in use.", limit=3)) == "All 3 are in use."
    assert str(Message("All {limit} are in use.", {"limit": 3})) == "All 3 are in use."
    assert str(Message("Nothing to fill in: {}")) == "Nothing to fill in: {}"


def test_message_takes_values_of_any_name() -> None:
    message = Message("{text} {stored} {self}", text="a", stored="b", self="c")

    assert str(message) == "a b c"


def test_message_to_a_client_names_no_directory_of_a_server() -> None:
    inner = Message("{proxmox}", proxmox="zstd -d -c '/mnt/pve/nas/dump/x.vma.zst', 2 of 3")
    told = Message("{reason} {proxmox} {n}", reason=inner, proxmox="403 Permission check failed (/vms/100, X)", n=2)

    assert str(told.without_paths()) == "zstd -d -c 'x.vma.zst', 2 of 3 403 Permission check failed (/vms/100, X) 2"
    said = "can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout, see http://pve1/x"
    assert str(Message("{x}", x=said).without_paths()).startswith("can't lock file 'lock-100.conf' - got timeout")


def test_message_leaves_braces_in_a_value_alone() -> None:
    assert str(Message("Proxmox said: {proxmox}", proxmox="{oops} {0}")) == "Proxmox said: {oops} {0}"


def test_message_comes_back_from_json() -> None:
    message = Message("Waited {span} for {vmid}.", span=timedelta(minutes=5), vmid=100)

    stored = json.loads(json.dumps(message.to_json()))

    assert str(Message.from_json(stored)) == str(message) == "Waited 0:05:00 for 100."
    assert Message.from_json(None) is None


def test_messages_are_equal_by_what_they_say() -> None:
    assert Message("{a}", a=1) == Message("{a}", {"a": 1})
    assert Message("{a}", a=1) != Message("{a}", a=2)


WITH_A_TEXT = [kind for kind in ALL if kind not in {BadInput, TooManyRequests}]


@pytest.mark.parametrize("kind", WITH_A_TEXT, ids=lambda kind: kind.__name__)
def test_error_says_its_docstring_or_its_text(kind: type[BackupsError]) -> None:
    assert str(kind("Said by hand.")) == "Said by hand."
    assert str(kind()) == (kind.__doc__ or "").strip()
    assert str(kind())[-1] == "."


def test_bad_input_names_its_field() -> None:
    error = BadInput("note", "The note may have at most {longest} characters.", longest=255)

    assert (error.field, error.status, str(error)) == ("note", 400, "The note may have at most 255 characters.")
    assert error.message == Message("The note may have at most {longest} characters.", longest=255)


def test_statuses_are_those_that_the_pages_answer() -> None:
    assert (BackupsError.status, Refused.status, BadInput.status) == (500, 409, 400)
    assert (NotAllowed.status, NotFound.status) == (403, 404)


def test_too_many_requests_says_when_to_try_again() -> None:
    error = TooManyRequests(40)

    assert (str(error), error.status) == ("That was too often. Try again in 40 seconds.", 429)


def test_refused_covers_all_that_a_person_may_hear() -> None:
    assert {kind for kind in ALL if issubclass(kind, Refused)} == {
        Refused, BadInput, NotAllowed, NotFound, NotSignedIn, TooManyRequests,
    }  # fmt: skip


@pytest.mark.parametrize("kind", PROXMOX, ids=lambda kind: kind.__name__)
def test_proxmox_error_keeps_what_was_answered(kind: type[ProxmoxError]) -> None:
    error = kind("VM is locked (backup) {x}", http_status=500, errors={"vmid": "bad"}, call="POST /nodes/a/vzdump")

    assert str(error) == "VM is locked (backup) {x}"
    assert (error.http_status, error.errors, error.call) == (500, {"vmid": "bad"}, "POST /nodes/a/vzdump")
    assert kind().errors == {}


def test_only_what_did_nothing_may_be_asked_again() -> None:
    assert {kind.__name__ for kind in PROXMOX if kind.retryable} == {"ProxmoxBusy", "ProxmoxUnreachable"}
    assert not issubclass(UnknownOutcome, errors.ProxmoxRefused)
