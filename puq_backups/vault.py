"""Encryption of stored secrets: the newest key encrypts, every key decrypts."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from .errors import SettingError


class Vault:
    """Encrypts and decrypts with the Fernet keys of `PUQ_BACKUPS_KEYS`, newest first."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def __repr__(self) -> str:
        return "Vault(…)"

    def seal(self, secret: str) -> bytes:
        """Return `secret`, encrypted with the newest key."""
        return self._fernet.encrypt(secret.encode())

    def open(self, sealed: bytes) -> str:
        """Return the decrypted secret. Raises SettingError if no key fits."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            raise SettingError(
                "A stored Proxmox token cannot be decrypted: PUQ_BACKUPS_KEYS lacks the key it was stored with."
            ) from None

    def rotate(self, sealed: bytes) -> bytes:
        """Return the secret encrypted with the newest key. Raises SettingError if no key fits."""
        return self.seal(self.open(sealed))
