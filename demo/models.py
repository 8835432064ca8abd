"""Tables of the billing application: clients and their services."""

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    """Base class of the tables."""


db = SQLAlchemy(model_class=Base)


class Client(db.Model):
    """A customer. `timezone` is an IANA name, `language` a code such as `de`."""

    __tablename__ = "client"

    id: Mapped[int] = mapped_column(primary_key=True)
    firstname: Mapped[str]
    lastname: Mapped[str]
    email: Mapped[str]
    company: Mapped[str] = mapped_column(default="")
    language: Mapped[str] = mapped_column(default="en")
    timezone: Mapped[str] = mapped_column(default="UTC")

    @property
    def name(self) -> str:
        return f"{self.firstname} {self.lastname}"


class Service(db.Model):
    """A VM that a client rents. `package` is a key of PACKAGES in demo/packages.py."""

    __tablename__ = "service"

    id: Mapped[int] = mapped_column(primary_key=True)
    client_id: Mapped[int] = mapped_column(ForeignKey("client.id"))
    client: Mapped[Client] = relationship()
    name: Mapped[str]
    vmid: Mapped[int]
    package: Mapped[str]
