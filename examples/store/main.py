"""A custom store: one file for each record, in a folder that only this process uses.

python main.py https://mcp.example.com/mcp folder

`python main.py --check folder` checks it against the store contract. A store that several processes share must
implement leases itself (`try_lease`, `renew_lease`, `release_lease`); one on a disk should sync its writes. `FileStore`
does both.
"""

import asyncio
import hashlib
import os
import sys
from pathlib import Path

from mcp_reauth import AuthSession, StoredRecord, StoreKey, TerminalHost
from mcp_reauth.testing import check_store


class FolderStore:
    """Stores each record in a file. Plain functions are not interleaved, so it needs no lock."""

    def __init__(self, folder: str) -> None:
        self.place = folder
        self._folder = Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)

    def _path(self, key: StoreKey) -> Path:
        # Profiles and addresses may be too long for a file name, and contain any character.
        return self._folder / hashlib.sha256(f"{key.profile}\n{key.server}".encode()).hexdigest()

    def _read(self, key: StoreKey) -> tuple[int, bytes]:
        """The first line is the version, the rest is the record; a deleted record has an empty rest."""
        try:
            version, _, data = self._path(key).read_bytes().partition(b"\n")
        except FileNotFoundError:
            return 0, b""
        return int(version), data

    def _replace(self, key: StoreKey, expected: int | None, data: bytes) -> int | None:
        """Replaces a record if its version is `expected`, or creates it if there is none."""
        version, held = self._read(key)
        if (version if held else None) != expected:
            return None
        path = self._path(key)
        new = path.with_suffix(".new")
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(b"%d\n%s" % (version + 1, data))
        # Readers see either the old file or the new one.
        new.replace(path)
        return version + 1

    def load(self, key: StoreKey) -> StoredRecord | None:
        version, data = self._read(key)
        return StoredRecord(version, data) if data else None

    def save(self, key: StoreKey, data: bytes, expected: int | None) -> int | None:
        return self._replace(key, expected, data)

    def delete(self, key: StoreKey, expected: int) -> bool:
        # The version stays, so that later writes get a higher one.
        return self._replace(key, expected, b"") is not None


async def main(server_url: str, folder: str) -> None:
    store = FolderStore(folder)
    if server_url == "--check":
        for check in await check_store(store):
            assert check.failure is None, f"{check.name}: {check.failure}"
        return
    async with AuthSession.open(server_url, client_name="Store example", store=store, host=TerminalHost()) as session:
        if session.authorization() is None:
            await session.sign_in()
        print("signed in:", (await session.connection_state()).signed_in)


asyncio.run(main(*sys.argv[1:]))
