"""The statements that run all the time walk an index, whatever waits in the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tokferry_server.delivery.outbox.sqlite import claiming, report, settling
from tokferry_server.delivery.outbox.sqlite.schema import connect

SAME = "INDEX pending_ready (connection=? AND next_at=? AND id>?)"
LATER = "INDEX pending_ready (connection=? AND next_at>? AND next_at<?)"


@pytest.mark.parametrize(
    ("query", "walks"),
    [
        (claiming._COUNTS[0], SAME),
        (claiming._COUNTS[1], LATER),
        (claiming._PLACES[0], SAME),
        (claiming._PLACES[1], LATER),
        (claiming._READ, "SEARCH pending USING INTEGER PRIMARY KEY"),
        (settling._REMOVE, "SEARCH pending USING INTEGER PRIMARY KEY"),
        (settling._OLDEST, "SEARCH delivered USING INDEX delivered_at (at<?)"),
        (report._OLDEST, "INDEX pending_tried (connection=?)"),
    ],
)
def test_a_statement_walks_its_index_in_order(
    tmp_path: Path, query: str, walks: str
) -> None:
    path = tmp_path / "box"
    path.touch()
    db = connect(path)
    number = 5 if "?5" in query else 1 if "?1" in query else query.count("?")
    rows = db.execute(f"EXPLAIN QUERY PLAN {query}", (1,) * number).fetchall()
    db.close()

    steps = " | ".join(row[3] for row in rows)
    assert walks in steps
    assert "TEMP B-TREE" not in steps
    assert "SCAN pending" not in steps
