"""Bodies on the disk are sealed, open in their own row only, and keys can change."""

import sqlite3
from pathlib import Path

import pytest

from outbox.made import row
from tokferry_server.delivery.outbox.interface import (
    NewRow,
    OutboxBrokenError,
    OutboxError,
    State,
)
from tokferry_server.delivery.outbox.sealed import sealed
from tokferry_server.delivery.outbox.sqlite import SqliteOutbox
from tokferry_server.delivery.outbox.vault import (
    MARK,
    OVERHEAD_BYTES,
    Vault,
    read_vault,
)

OLD, NEW = b"o" * 32, b"n" * 32
BODY = b'{"user":{"ip":"203.0.113.7"}}'
ABOUT = b"shop"


def test_what_is_sealed_opens_with_its_key_for_its_row_only() -> None:
    stored = Vault([OLD]).seal(BODY, ABOUT)
    assert len(stored) == len(BODY) + OVERHEAD_BYTES
    assert BODY[:8] not in stored
    assert Vault([OLD]).open(stored, ABOUT) == BODY
    assert Vault([NEW, OLD]).open(stored, ABOUT) == BODY
    with pytest.raises(OutboxBrokenError, match="put the key back"):
        Vault([NEW]).open(stored, ABOUT)
    with pytest.raises(OutboxBrokenError, match="changed"):
        Vault([OLD]).open(stored, b"other")


@pytest.mark.parametrize("place", [5, 16, 17, -17, -16, -1])
def test_a_changed_byte_is_noticed(place: int) -> None:
    stored = bytearray(Vault([OLD]).seal(BODY, ABOUT))
    stored[place] ^= 1
    with pytest.raises(OutboxBrokenError):
        Vault([OLD]).open(bytes(stored), ABOUT)


def test_a_cut_body_is_noticed() -> None:
    stored = Vault([OLD]).seal(BODY, ABOUT)
    for length in range(len(MARK), len(stored)):
        with pytest.raises(OutboxBrokenError):
            Vault([OLD]).open(stored[:length], ABOUT)


def test_the_same_body_has_one_sealed_form_and_another_has_another() -> None:
    vault = Vault([OLD])
    assert vault.seal(BODY, ABOUT) == vault.seal(BODY, ABOUT)
    nonces = {vault.seal(b"%d" % n, ABOUT)[5:17] for n in range(1000)}
    assert len(nonces | {vault.seal(b"1", b"other")[5:17]}) == 1001


def test_keys_are_read_and_mistakes_named_without_them(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    with pytest.raises(OutboxError, match="No such file"):
        read_vault(file)
    for text in ("", "\n", "secret", "ab" * 31, f"{NEW.hex()}\n{OLD.hex()[:-2]}", "é"):
        file.write_text(text)
        with pytest.raises(OutboxError, match="openssl rand") as caught:
            read_vault(file)
        assert not text.strip() or text.strip() not in str(caught.value)
    file.write_text(f"\n{NEW.hex()}\n {OLD.hex().upper()} \n")
    vault = read_vault(file)
    assert vault.open(Vault([OLD]).seal(BODY, ABOUT), ABOUT) == BODY
    assert vault.seal(BODY, ABOUT) == Vault([NEW]).seal(BODY, ABOUT)


async def stored(path: Path, keys: list[bytes], *rows: NewRow) -> list[bytes]:
    """Put rows, and give the bodies of all that wait."""
    engine = await SqliteOutbox.open(path)
    box = sealed(engine, Vault(keys)) if keys else engine
    try:
        await box.put(rows)
        return sorted(one.body for one in await box.claim("shop", 100, 2e9))
    finally:
        await box.close()


async def test_an_outbox_goes_on_through_the_first_key_and_the_next(
    tmp_path: Path,
) -> None:
    path = tmp_path / "state" / "outbox.db"
    bodies = [b'{"secret":"%d"}' % number for number in range(3)]
    first, second, third = (row(n, body=body) for n, body in enumerate(bodies))
    assert await stored(path, [], first) == bodies[:1]
    assert await stored(path, [OLD], second) == bodies[:2]
    assert await stored(path, [NEW, OLD], third) == bodies
    with sqlite3.connect(path) as db:
        on_disk = sorted(body for (body,) in db.execute("SELECT body FROM pending"))
    db.close()
    assert [body[:1] for body in on_disk] == [MARK, MARK, b"{"]
    assert b"secret" not in on_disk[0] + on_disk[1]
    with pytest.raises(OutboxBrokenError, match="put the key back"):
        await stored(path, [NEW])


async def test_a_resent_event_is_known_though_it_is_sealed(tmp_path: Path) -> None:
    engine = await SqliteOutbox.open(tmp_path / "state" / "outbox.db")
    box = sealed(engine, Vault([OLD]))
    (first,) = await box.put([row(1)])
    (again,) = await box.put([row(1)])
    await box.close()
    assert (again.id, again.state) == (first.id, State.PENDING)
    assert (again.duplicate, again.changed) == (True, False)
