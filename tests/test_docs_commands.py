"""Every command in the documentation is run by a test, or says in a comment above it why it is not."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import bare_host
from support.services import ROOT

PAGES = [ROOT / "README.md", ROOT / "examples" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NOT_RUN = re.compile(r"<!-- not run: (.{10,}?) -->\s*\Z")
HOST = "flask --app yourapp "
TESTED_ELSEWHERE = {
    "first-service": "test_first_service_from_top_to_bottom",
    "deploy": "tests/deploy",
    "importing": "tests/staff",
}
"""Pages whose commands have a test of their own."""
WORDS = (
    "flask",
    "make",
    "pip",
    "python",
    "python3",
    "pveum",
    "pvesm",
    "openssl",
    "sudo",
    "export",
    "for",
    "cd",
    "docker",
)


def blocks(path: Path) -> list[tuple[str, str]]:
    """The text before, and the text of, each block of commands: fenced as sh, or indented."""
    text, found = path.read_text(), []
    for block in re.finditer(
        r"```(\w*)\n(.*?)```\n|(?:^    [^\n]+\n|^\n(?=    \S))+", text, re.MULTILINE | re.DOTALL
    ):
        lines = (block[2] if block[1] == "sh" else "" if block[2] else block[0]).strip().splitlines()
        commands = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
        if commands and commands[0].split()[0] in WORDS:
            found.append((text[: block.start()], "\n".join(commands)))
    return found


EVERY = [
    pytest.param(before, commands, path.stem, id=f"{path.parent.name}/{path.stem}-{number}")
    for path in PAGES
    for number, (before, commands) in enumerate(blocks(path), 1)
]


def of_host(commands: str) -> list[str]:
    """The commands of a host's own application in a block."""
    return [line for line in commands.splitlines() if line.startswith(HOST)]


@pytest.mark.parametrize(("before", "commands", "page"), EVERY)
def test_block_is_run_or_says_why_not(before: str, commands: str, page: str) -> None:
    run = page in TESTED_ELSEWHERE or of_host(commands) == commands.splitlines()

    assert run or NOT_RUN.search(before), commands


def test_commands_of_a_host_run(sqlite_url: str) -> None:
    app, backups = bare_host.mount(sqlite_url)
    lines = {
        line for _, commands, page in (one.values for one in EVERY) if page not in TESTED_ELSEWHERE  # type: ignore[misc]  # pytest.param
        for line in of_host(str(commands))
    }  # fmt: skip

    assert lines
    for line in sorted(lines):
        words = shlex.split(line.removeprefix(HOST), comments=True)
        found = app.test_cli_runner().invoke(args=words)
        assert found.exit_code == 0, (line, found.output)
    backups.context.database.engine.dispose()


@pytest.mark.slow
def test_first_service_from_top_to_bottom(tmp_path: Path, redis_url: str) -> None:
    page = ROOT / "docs" / "first-service.md"
    text = page.read_text()
    [source] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "billing.py").write_text(source)
    script = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    look = (
        "from billing import app; client = app.test_client(); client.get('/sign-in/alice'); "
        "print(client.get('/services/1/backups/').text)"
    )
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PUQ_BACKUPS_REDIS_URL": redis_url,
    }
    ended = "trap 'kill $(jobs -p)' EXIT\n"

    ran = subprocess.run(
        [str(shutil.which("bash")), "-e", "-c", f'{ended}{script}\npython -c "{look}"'],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count("success\n") == 2
    assert "\nready\n" in ran.stdout
    assert "the first one" in ran.stdout.partition("\nready\n")[2]
