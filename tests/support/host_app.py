"""The Flask application of a host. It compiles what builds a URL at first use, since few tests build all of them."""

from __future__ import annotations

from typing import Any

from flask import Flask
from werkzeug.routing import Rule


class LateRule(Rule):
    """A rule whose URL builder is compiled when a URL is built: that is most of what adding a rule costs."""

    def _compile_builder(self, append_unknown: bool = True) -> Any:
        compiled: list[Any] = []
        compile_now = super()._compile_builder

        def build(rule: Rule, **values: Any) -> tuple[str, str]:
            if not compiled:
                compiled.append(compile_now(append_unknown))
            found: tuple[str, str] = compiled[0](rule, **values)
            return found

        return build


class HostApp(Flask):
    """A Flask application for tests."""

    url_rule_class = LateRule
