"""What one worker of several has of the settings, and which files are its own."""

from pathlib import Path

import pytest

from tokferry_server.delivery.outbox.interface import Caps
from tokferry_server.settings import Seat, settings_from_mapping
from tokferry_server.settings.seat import found


def test_what_all_have_together_is_divided(tmp_path: Path) -> None:
    settings = settings_from_mapping(
        {
            "server": {
                "principals": [
                    {
                        "name": "shop",
                        "tokens": [{"env": "SHOP_CALLER"}],
                        "connections": ["shop"],
                        "rights": ["forward"],
                        "events_per_second": 90,
                        "streams": 1,
                    }
                ]
            },
            "outbox": {"max_rows": 9, "max_bytes": 2},
            "connections": {
                "shop": {"pixel_id": "A1", "rate": 30, "concurrency": 16},
                "app": {"pixel_id": "B1", "concurrency": 2},
            },
        },
        folder=tmp_path,
    )

    share = Seat(1, 3).share(settings)

    assert Seat().share(settings) == settings
    shop, app = share.connections["shop"], share.connections["app"]
    assert (shop.rate, shop.concurrency, app.concurrency) == (10, 5, 1)
    assert share.outbox is not None
    assert share.outbox.path == tmp_path / "state" / "outbox-1.db"
    assert (share.outbox.max_rows, share.outbox.max_bytes) == (3, 1)
    (caller,) = share.server.principals
    assert (caller.events_per_second, caller.streams) == (30, 1)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_outboxes_on_one_disk_leave_others_their_share(workers: int) -> None:
    caps = Caps(min_free_share=0.4, max_dead=1000)
    part = caps.shared(workers)

    # Each takes all that it may while the others do, too.
    each = 1 - part.min_free_share
    free = 100.0
    taken = free * each / (1 - each)
    assert workers * taken / (workers * taken + free) == pytest.approx(0.6)
    assert part.max_dead == 1000 // workers


@pytest.mark.parametrize("name", ["outbox.db", "outbox", "my.out.db"])
def test_files_of_workers_are_found_by_their_numbers(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    mine = {number: Seat(number, 20).file(path) for number in (0, 2, 10)}
    for file in mine.values():
        file.touch()
        Path(f"{file}.lock").touch()
    for other in ("outbox-02.db", "outbox-x.db", "other-1.db", "outbox-1.db.ballast"):
        (tmp_path / other).touch()

    assert found(path) == mine
    assert list(found(path)) == [0, 2, 10]
    assert found(tmp_path / "nowhere" / name) == {}
