"""SMTP server of the demo: it writes each mail to a file, and the page /mails shows them.

`python -m demo.mails FOLDER` serves SMTP on a free port of 127.0.0.1 and prints it as one JSON line.
"""

import asyncio
import json
import os
import sys
import time
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP


class MailFileWriter:
    """Writes each mail to a file in `folder`, whose name begins with the time of arrival."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Write one mail under another name and rename it, so that a reader never sees half of it."""
        draft = self.folder / f"{time.time_ns()}.draft"
        draft.write_bytes(envelope.content)
        draft.rename(draft.with_suffix(".eml"))
        return "250 OK"


async def serve(folder: Path) -> None:
    """Accept mails until the process ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(MailFileWriter(folder), hostname="localhost", loop=loop), "127.0.0.1", 0
    )
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


@dataclass
class Mail:
    """A mail for the page /mails."""

    id: str
    subject: str
    sender: str
    to: str
    sent_at: Any
    text: str
    html: str


def all_mails() -> list[Mail]:
    """Return the mails that arrived, newest first."""
    return [read(path) for path in sorted(folder().glob("*.eml"), reverse=True)]


def folder() -> Path:
    """Return the folder of the mails."""
    return Path(os.environ["DEMO_MAILS"])


def read(path: Path) -> Mail:
    """Read a mail from its file."""
    mail = message_from_bytes(path.read_bytes(), policy=policy.default)
    text, html = (mail.get_body((kind,)) for kind in ("plain", "html"))
    return Mail(
        path.stem,
        str(mail["Subject"]),
        str(mail["From"]),
        str(mail["To"]),
        parsedate_to_datetime(mail["Date"]) if mail["Date"] else None,
        text.get_content() if text else "",
        html.get_content() if html else "",
    )


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
