"""The services that an import takes over: from a CSV file, or from the host, as params of CreateAccount."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .. import host as hosts
from ..accounts.params import CLIENT_FIELDS
from ..errors import BadInput
from ..host import Host
from ..rules.package import CONFIGURABLE_ONLY, OPTIONS

Params = dict[str, Any]
TOP = (
    "serviceid", "userid", "domain", "serverhostname", "serverport", "serverusername", "serverpassword",
    "serveraccesshash",
)  # fmt: skip
GROUPS: dict[str, tuple[str, ...]] = {
    "customfields": ("vmid", "node", "mac"),
    "clientsdetails": CLIENT_FIELDS,
    "configoptions": tuple(title for title, _ in (*OPTIONS, *CONFIGURABLE_ONLY)),
}
"""Params that are mappings, and the columns that go into each."""
COLUMNS = (*TOP, *(column for columns in GROUPS.values() for column in columns))


def read_common(path: Path | None) -> Params:
    """Read the params that all services have in common from a JSON file. Raises BadInput if it is none."""
    if path is None:
        return {}
    try:
        found = json.loads(path.read_text())
    except ValueError as error:
        raise BadInput("params", "{file} is no JSON: {reason}", file=path.name, reason=error) from None
    if not isinstance(found, dict):
        raise BadInput("params", "{file} must hold one JSON object.", file=path.name)
    return found


def from_csv(path: Path, host: Host, common: Mapping[str, Any]) -> Iterator[Params]:
    """Yield the params of each line. What a line leaves empty comes from `common`, else from the host.

    Raises BadInput for a column that is not in COLUMNS.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        for column in rows.fieldnames or []:
            if column not in COLUMNS:
                raise BadInput(
                    column, "The column {column} is unknown; there are {columns}.", column=column,
                    columns=", ".join(COLUMNS),
                )  # fmt: skip
        for row in rows:
            yield merge(_of_host(host, row.get("serviceid")), common, _nested(row))


def from_host(host: Host, common: Mapping[str, Any]) -> Iterator[Params]:
    """Yield the params of each service that the host lists. Raises BadInput if it lists none."""
    ids = hosts.service_ids(host)
    if ids is None:
        raise BadInput("file", "Your Host has no method service_ids: name a CSV file.")
    for service_id in ids:
        yield merge(common, _of_host(host, service_id), {"serviceid": str(service_id)})


def _of_host(host: Host, service_id: object) -> Mapping[str, Any]:
    return hosts.service_params(host, str(service_id)) or {} if service_id else {}


def _nested(row: Mapping[str, str | None]) -> Params:
    given = {column: value.strip() for column, value in row.items() if column and value and value.strip()}
    found: Params = {column: given[column] for column in TOP if column in given}
    for group, columns in GROUPS.items():
        found[group] = {column: given[column] for column in columns if column in given}
    return found


def merge(*all_params: Mapping[str, Any]) -> Params:
    """Return one set of params; later ones win, within the mappings of GROUPS too."""
    found: Params = {}
    for params in all_params:
        found |= {
            name: {**(found.get(name) or {}), **value} if name in GROUPS and isinstance(value, Mapping) else value
            for name, value in params.items()
        }
    return found
