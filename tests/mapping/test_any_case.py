"""Reserved names are found in any case, the very name first, then in input order."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokferry_server.mapping.paths import AnyCase

SPELLINGS = ("$City", "$city", "$CITY", "$Zip", "$zip", "tier", "Tier")
MAPS = st.lists(
    st.tuples(st.sampled_from(SPELLINGS), st.sampled_from(["", "a", "b", None])),
    max_size=7,
    unique_by=lambda pair: pair[0],
).map(dict)


def by_hand(given: dict[str, Any], name: str) -> Any:
    for key in (name, *given):
        if key in given and key.lower() == name.lower():
            return given[key]
    return None


@given(MAPS, st.frozensets(st.sampled_from(SPELLINGS)))
def test_each_name_is_found_as_if_it_were_looked_for_alone(
    attributes: dict[str, Any], names: frozenset[str]
) -> None:
    found = AnyCase(names).find(attributes)

    assert {name: found.get(name) for name in names} == {
        name: by_hand(attributes, name) for name in names
    }


@pytest.mark.parametrize("odd", [None, [], ["$City"], "$City", 7])
def test_what_is_no_map_has_no_entries(odd: Any) -> None:
    assert AnyCase(frozenset({"$City"})).find(odd) == {}
