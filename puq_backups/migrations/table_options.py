"""Options of our tables that the models do not show."""

from typing import Any

TABLE_OPTIONS: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}
"""Every text fits, whatever charset the host's database has; ids differ by case as on the other databases."""
