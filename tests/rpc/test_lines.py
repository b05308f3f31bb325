"""Lines of those who wait: each asker in turn, each asker's own in their order."""

from hypothesis import given
from hypothesis import strategies as st

from tokferry_server.lines import Lines


def taken(lines: Lines[str]) -> list[str]:
    """Take all, and see before whose turn it is."""
    found = []
    while lines:
        first = lines.next()
        found.append(lines.take())
        assert found[-1] is first
    return found


def test_who_asks_seldom_is_not_behind_who_asks_a_lot() -> None:
    lines: Lines[str] = Lines()
    for number in range(4):
        lines.put("many", f"many {number}")
    lines.put("few", "few 0")
    lines.put("others", "others 0")

    assert taken(lines) == [
        *("many 0", "few 0", "others 0"),
        *("many 1", "many 2", "many 3"),
    ]


def test_who_goes_away_or_is_dropped_has_no_turn() -> None:
    lines: Lines[str] = Lines()
    assert [lines.put("a", one) for one in ("a0", "a1", "a2")] == [1, 2, 3]
    lines.put("b", "b0")
    lines.drop_oldest("a")
    lines.remove("b", "b0")
    lines.remove("b", "b0")
    lines.remove("a", "a2")
    lines.remove("nobody", "a1")

    assert taken(lines) == ["a1"]


@given(st.lists(st.sampled_from("abc"), max_size=30))
def test_nobody_is_lost_and_nobody_has_two_turns_before_another_has_one(
    asked: list[str],
) -> None:
    lines: Lines[str] = Lines()
    put = [f"{asker}{number:02}" for number, asker in enumerate(asked)]
    for one in put:
        lines.put(one[0], one)

    found = taken(lines)

    assert sorted(found) == sorted(put)
    for asker in "abc":
        own = [one for one in found if one[0] == asker]
        assert own == sorted(own)
    for place, one in enumerate(found):
        before = [earlier[0] for earlier in found[:place]].count(one[0])
        waiting = {later[0] for later in found[place:]} - {one[0]}
        counts = [[each[0] for each in found[:place]].count(who) for who in waiting]
        assert all(count >= before for count in counts)
