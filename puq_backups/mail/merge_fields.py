"""Definitions of the merge fields: names, labels, kinds, samples, and their localization.

Names follow WHMCS where it has one. The outbox stores values independent of the reader (times as ISO 8601, sizes in
bytes, messages as text and values); they are localized when the mail is sent.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..errors import Message
from ..i18n.translator import N_, Translator

MAX_LENGTH = 10_000
BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Unicode characters that change the order of text and could disguise it."""


@dataclass(frozen=True)
class MergeField:
    """Definition of a merge field.

    `kind` is text, number, moment, size, sentence, sentences or rows. `sample` is an example of the stored value.
    """

    name: str
    label: str
    sample: Any
    kind: str = "text"


COMMON_FIELDS = (
    MergeField("client_id", N_("Client: number"), "42"),
    MergeField("client_name", N_("Client: full name"), "Alice Example"),
    MergeField("client_first_name", N_("Client: first name"), "Alice"),
    MergeField("client_last_name", N_("Client: last name"), "Example"),
    MergeField("client_company_name", N_("Client: company"), "Example Ltd"),
    MergeField("client_email", N_("Client: e-mail address"), "alice@example.org"),
    MergeField("service_id", N_("Service: number"), "7"),
    MergeField("service_domain", N_("Service: domain"), "web-1.example.com"),
    MergeField("service_server_hostname", N_("Service: host name of the server"), "pve1.example.net"),
    MergeField("vm_name", N_("Virtual machine: name"), "web-1"),
    MergeField("vm_id", N_("Virtual machine: number on Proxmox"), 100, "number"),
    MergeField("backup_date", N_("Backup: when it was made or planned"), "2026-11-22T07:36:52+00:00", "moment"),
    MergeField("backup_note", N_("Backup: description"), "before the upgrade"),
    MergeField("backup_size", N_("Backup: size"), 322122547200, "size"),
    MergeField("storage", N_("Backup: storage"), "nfs-backups"),
    MergeField("operation_id", N_("Operation: number"), "0f3a9c5b7d2e4f618a9b0c1d2e3f4a5b"),
    MergeField("task_id", N_("Operation: task of Proxmox"), "UPID:pve1:00001234:0000ABCD:6742A1B0:vzdump:100:a@pve:"),
    MergeField("finished_at", N_("When it ended"), "2026-11-23T08:00:00+00:00", "moment"),
    MergeField("reason", N_("Reason"), Message("The storage {storage} is offline.", storage="nfs-backups").to_json(),
               "sentence"),
    MergeField("warnings", N_("Warnings: a list"), [Message("The last restore failed.").to_json()], "sentences"),
    MergeField("backups_url", N_("Address of the Backups page"), "https://billing.example/services/7/backups"),
    MergeField("signature", N_("Signature of the provider"), "Yours,\nExample Hosting"),
    MergeField("company_name", N_("Name of the provider"), "Example Hosting"),
)  # fmt: skip
"""Fields of every mail; empty where they do not apply."""

HOST_FIELDS = (
    MergeField("service_product_name", N_("Service: product"), "KVM L"),
    MergeField("service_dedicated_ip", N_("Service: IP address"), "192.0.2.10"),
    MergeField("service_username", N_("Service: user name"), "root"),
    MergeField("service_reg_date", N_("Service: registered on"), "2025-01-15"),
    MergeField("service_payment_method", N_("Service: payment method"), "Bank transfer"),
    MergeField("service_first_payment_amount", N_("Service: first payment"), "20.00 EUR"),
    MergeField("service_recurring_amount", N_("Service: recurring amount"), "20.00 EUR"),
    MergeField("service_billing_cycle", N_("Service: billing cycle"), "Monthly"),
    MergeField("service_next_due_date", N_("Service: next due on"), "2026-12-15"),
    MergeField("client_address1", N_("Client: address"), "Main Street 1"),
    MergeField("client_address2", N_("Client: address, second line"), "2nd floor"),
    MergeField("client_city", N_("Client: city"), "Vienna"),
    MergeField("client_state", N_("Client: state"), "Vienna"),
    MergeField("client_postcode", N_("Client: postcode"), "1010"),
    MergeField("client_country", N_("Client: country"), "AT"),
    MergeField("client_phonenumber", N_("Client: telephone"), "+43 1 000000"),
)
"""Fields that only the host knows: empty unless its `service_params` or a hook provides them."""

SPECIFIC_FIELDS = (
    MergeField("vm_stays_off", N_("Virtual machine: 1 where it stays off after a failed restore"), 1, "number"),
    MergeField("may_reinstall", N_("Virtual machine: 1 where a reinstallation is offered"), 1, "number"),
    MergeField("next_run_planned", N_("Schedule: 1 where a next run is planned"), 1, "number"),
    MergeField("support_told", N_("Staff: 1 where they get a mail about it"), 1, "number"),
    MergeField("client_told", N_("Client: 1 where they get a mail about it"), 1, "number"),
    MergeField("removal_date", N_("When the backups are removed"), "2026-11-30T08:00:00+00:00", "moment"),
    MergeField("backup_count", N_("How many backups there are"), 3, "number"),
    MergeField("since", N_("Start of the day or of the trouble"), "2026-11-22T00:00:00+00:00", "moment"),
    MergeField("done_count", N_("Backups made"), 120, "number"),
    MergeField("failed_count", N_("Backups failed"), 1, "number"),
    MergeField("missed_count", N_("Backups missed"), 1, "number"),
    MergeField("refused_count", N_("Backups refused"), 1, "number"),
    MergeField("restored_count", N_("Restores done"), 2, "number"),
    MergeField("failed", N_("What failed: a list"), [
        {"service_id": "7", "vm_name": "web-1", "client_name": "Alice Example", "kind": "backup", "state": "failed",
         "finished_at": "2026-11-23T02:00:00+00:00",
         "reason": Message("The storage {storage} is offline.", storage="nfs-backups").to_json()},
    ], "rows"),
    MergeField("unprotected_count", N_("Services without a good backup"), 1, "number"),
    MergeField("unprotected", N_("Services without a good backup: a list"), [
        {"service_id": "8", "vm_name": "db-1", "client_name": "Bob Example",
         "backup_date": "2026-11-19T02:00:00+00:00"},
    ], "rows"),
    MergeField("stuck", N_("Operations that are stuck: a list"), [
        {"service_id": "9", "vm_name": "shop-1", "client_name": "Carol Example", "kind": "restore",
         "started_at": "2026-11-21T02:00:00+00:00"},
    ], "rows"),
    MergeField("full", N_("Storages that are nearly full: a list"), [
        {"storage": "nfs-backups", "node": "", "server": "pve1.example.net", "available": 32212254720,
         "total": 1099511627776},
    ], "rows"),
    MergeField("unsent_count", N_("Mails that could not be sent"), 1, "number"),
)  # fmt: skip
"""Fields of some mails; `email_template(…, own=…)` names them."""

ROW_FIELD_KINDS = {"started_at": "moment", "available": "size", "total": "size"}
FIELDS = {field.name: field for field in (*COMMON_FIELDS, *HOST_FIELDS, *SPECIFIC_FIELDS)}
EMPTY_VALUES: dict[str, Any] = {"number": 0, "sentences": [], "rows": []}


def localize(stored: Mapping[str, Any], translator: Translator) -> dict[str, Any]:
    """Convert stored fields to plain values in the translator's language and time zone.

    Known fields that are not in `stored` are empty.
    """
    known = {name: EMPTY_VALUES.get(field.kind, "") for name, field in FIELDS.items()}
    return {**known, **{name: _localize(name, value, translator) for name, value in stored.items()}}


def _localize(name: str, value: Any, translator: Translator) -> Any:
    kind = FIELDS[name].kind if name in FIELDS else ROW_FIELD_KINDS.get(name, "text")
    if value is None or value == "":
        return EMPTY_VALUES.get(kind, "")
    return LOCALIZERS[kind](value, translator)


def _rows(rows: list[dict[str, Any]], translator: Translator) -> list[dict[str, Any]]:
    return [{name: _localize(name, value, translator) for name, value in row.items()} for row in rows]


def _sentence(stored: dict[str, Any], translator: Translator) -> str:
    # to_plain first: it would remove the bidi isolates that the translator adds around values.
    message = Message.from_json(to_plain(stored))
    return translator.say(_with_zone(message, translator) if message else None)


def _with_zone(message: Message, translator: Translator) -> Message:
    """The message with its moments as text, as in `_moment`."""
    return Message(
        message.text, {name: _value_with_zone(value, translator) for name, value in message.values.items()}
    )


def _value_with_zone(value: Any, translator: Translator) -> Any:
    if isinstance(value, Message):
        return _with_zone(value, translator)
    return _in_zone(value, translator) if isinstance(value, datetime) else value


def _moment(stored: str, translator: Translator) -> str:
    return _in_zone(datetime.fromisoformat(stored), translator)


def _in_zone(value: datetime, translator: Translator) -> str:
    """A moment with the zone of its time, because a mail is read anywhere."""
    return f"{translator.datetime(value)} ({translator.zone})"


LOCALIZERS: dict[str, Callable[[Any, Translator], Any]] = {
    "text": lambda value, _: to_plain(value),
    "number": lambda value, _: to_plain(value),
    "moment": _moment,
    "size": lambda value, translator: translator.size(value),
    "sentence": _sentence,
    "sentences": lambda values, translator: [_sentence(value, translator) for value in values],
    "rows": _rows,
}


def to_plain(value: Any) -> Any:
    """Reduce a value to plain data: text without control characters, numbers, lists and dicts of them."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {str(to_plain(str(name))): to_plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_plain(one) for one in value]
    # join also turns a Markup into a plain str, so that it is escaped again.
    return "".join(char for char in str(value)[:MAX_LENGTH] if not _is_control(char))


def _is_control(char: str) -> bool:
    return char in BIDI_CONTROLS or (unicodedata.category(char) in {"Cc", "Cs"} and char not in "\n\t")


def samples(own: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return sample values (as stored) of the fields that every mail has and of the specific fields `own`."""
    known = {field.name: field.sample for field in (*COMMON_FIELDS, *HOST_FIELDS)}
    return {**known, **{name: FIELDS[name].sample if name in FIELDS else f"[{name}]" for name in own}}
