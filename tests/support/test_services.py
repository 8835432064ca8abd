"""The test environment itself: what a test is given is really that."""

from __future__ import annotations

import smtplib
import socket
from email.message import EmailMessage

import pytest
from redis import Redis
from sqlalchemy import create_engine, text
from support import services


def test_any_database_url_is_an_empty_database_that_can_be_written(any_database_url: str) -> None:
    engine = create_engine(any_database_url)

    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE probe (word VARCHAR(10))"))
        connection.execute(text("INSERT INTO probe VALUES ('żółw')"))
        assert connection.scalar(text("SELECT word FROM probe")) == "żółw"
    engine.dispose()


def test_redis_url_is_empty_and_answers(any_redis_url: str) -> None:
    with Redis.from_url(any_redis_url) as client:
        assert client.dbsize() == 0
        assert client.set("key", "value") is True


def test_mailbox_holds_the_mail_that_was_sent(mailbox: services.Mailbox) -> None:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "Grüße", "a@example.org", "b@example.org"
    mail.set_content("text")

    with smtplib.SMTP("127.0.0.1", mailbox.port) as smtp:
        smtp.send_message(mail)

    assert [(mail["Subject"], mail.get_content()) for mail in mailbox.wait_for(1)] == [("Grüße", "text\n")]


def test_other_machines_cannot_be_reached() -> None:
    with socket.socket() as sock, pytest.raises(AssertionError, match="tried to reach"):
        sock.connect(("192.0.2.1", 80))
