"""A host's own templates around ours."""

from __future__ import annotations

from jinja2 import ChoiceLoader, DictLoader

from .conftest import Door


def test_base_template_of_a_host_may_call_the_token_as_flask_wtf_has_it(door: Door) -> None:
    base = "[{{ csrf_token() }}]{% block content %}{% endblock %}"
    loaders = [DictLoader({"puq_backups/client/base.html": base}), door.world.app.jinja_env.loader]
    door.world.app.jinja_env.loader = ChoiceLoader([loader for loader in loaders if loader])

    page = door.get().text

    token = page[1 : page.index("]")]
    assert len(token) > 20
    assert f'value="{token}"' in page
