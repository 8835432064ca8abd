"""Shipped mail templates as editable source: merge fields appear as `{{ name }}`, conditions and loops as tags.

The editor of the staff pages starts with this text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Self

from ..i18n.translator import Translator
from .merge_fields import FIELDS
from .templates import FILES, shipped_template, translation_names


class Placeholder(str):
    """A merge field rendered as `{{ name }}` instead of its value; an attribute renders as `{{ name.attribute }}`."""

    __slots__ = ("name",)
    name: str

    def __new__(cls, name: str) -> Self:
        placeholder = super().__new__(cls, f"{{{{ {name} }}}}")
        placeholder.name = name
        return placeholder

    def __getattr__(self, name: str) -> Placeholder:
        if name.startswith("_"):
            raise AttributeError(name)
        return Placeholder(f"{self.name}.{name}")


class PlaceholderList(list[Placeholder]):
    """A merge field that holds a list: one item, which is the placeholder of the loop variable."""

    def __init__(self, name: str) -> None:
        super().__init__([Placeholder(name.rstrip("s") if FIELDS[name].kind == "sentences" else "one")])
        self.name = name


def shipped_source(folder: str, locale: str, overrides: str = "") -> dict[str, str]:
    """Return the source of each part of a shipped mail, in the language of `locale` ("" means English).

    `overrides` is the directory of the provider's translations.
    """
    translator = Translator(locale or "en", overrides=overrides)
    placeholders = {
        name: PlaceholderList(name) if field.kind in {"sentences", "rows"} else Placeholder(name)
        for name, field in FIELDS.items()
    }
    return {part: _source(folder, part, placeholders, translator) for part in FILES}


def _source(folder: str, part: str, placeholders: Mapping[str, Any], translator: Translator) -> str:
    tags = {"outline": True, "when": _if_tag, "each": _for_tag, "end": _end_tag}
    text = shipped_template(folder, part).render({**placeholders, **translation_names(translator), **tags})
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _if_tag(value: Any) -> str:
    return f"{{% if {value.name} %}}\n" if isinstance(value, (Placeholder, PlaceholderList)) else ""


def _for_tag(values: PlaceholderList) -> str:
    return f"{{% for {values[0].name} in {values.name} %}}\n"


def _end_tag(kind: str, value: Any) -> str:
    return f"{{% end{kind} %}}\n" if isinstance(value, (Placeholder, PlaceholderList)) else ""
