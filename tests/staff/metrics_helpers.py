"""Reads `/metrics` as Prometheus does."""

from __future__ import annotations

from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from support import world as worlds
from werkzeug.test import TestResponse

TOKEN = "a token of 32 letters or so"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(world: worlds.World, token: str = TOKEN) -> TestResponse:
    client: FlaskClient = world.app.test_client()
    return client.get("/backups/metrics", headers={"Authorization": f"Bearer {token}"})


def samples(world: worlds.World) -> Samples:
    answer = scrape(world)
    assert answer.status_code == 200, answer.text
    return {
        (sample.name.removeprefix("puq_backups_"), frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]
