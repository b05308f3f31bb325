"""Every step that can follow a state of caller, server and TikTok.

The server's part is the real code; this adds what stands around it: messages that are
lost, doubled or late, an end of the process at any moment, time that passes, and clocks
that jump. Left out is that a key may be forgotten: by the caller, who asks again for 47
hours at most, and by the server when its clock jumps ahead.
"""

from collections.abc import Iterator
from typing import Final

from durable.protocol.answers import ANSWERS
from durable.protocol.clocks import lead_after, lead_reborn
from durable.protocol.replay import OLDEST, Done, Need, Passed, Pending, Stepped
from durable.protocol.state import (
    ACKED,
    ASKING,
    DEAD,
    DELIVERED,
    IN_DOUBT,
    NEW,
    Busy,
    Closing,
    State,
)
from tokferry_server.tiktok.answer import Answer
from tokferry_server.tiktok.reasons import Outcome
from tokferry_server.tiktok.verdicts import classify

WINDOW: Final = 96  # 48 hours: TikTok drops copies for so long
LAST_SEND: Final = 94  # 47 hours
SHORT: Final = (31, 63)  # 31 + 63 are 47 hours, three times 31 are half an hour less
LONG: Final = (112,)  # a third of seven days
_MOST: Final = 2  # waits and jumps of the clock within one consignment
Step = tuple[str, State]


def steps(state: State, jump: int) -> Iterator[Step]:
    """Give all that can happen next."""
    yield from _caller(state)
    yield from _time(state, jump)
    if state.late:
        yield "a late request is taken", take(state)._replace(late=False)
    if not state.up:
        lead = lead_reborn(state.lead, state.seen, state.offset, state.down)
        yield "starts", state._replace(up=True, lead=lead, seen=0, down=0)
        return
    if state.busy is not None or isinstance(state.row, Pending):
        yield "dies", crash(state)
    yield from server(state)


def _caller(state: State) -> Iterator[Step]:
    if state.caller == NEW:
        yield "asks", state._replace(caller=ASKING, asked=True)
    unheard = state.caller == ASKING and not state.asked and not state.replied
    if unheard and state.age < LAST_SEND:
        yield "asks again", state._replace(asked=True)
    if state.asked:
        yield "the call is lost", state._replace(asked=False)
        if state.up:
            stored = put(state)._replace(replied=state.caller == ASKING)
            yield "stores", stored._replace(asked=False)
            yield "stores, and the call comes twice", stored
    if state.replied:
        yield "the reply is lost", state._replace(replied=False)
        if state.caller == ASKING:
            yield "hears", state._replace(caller=ACKED, age=0, replied=False)


def put(state: State) -> State:
    """Store an event, unless its key is known."""
    if state.row is not None:
        return state
    return state._replace(row=Pending(state.offset))


def _time(state: State, jump: int) -> Iterator[Step]:
    busy = state.busy if isinstance(state.busy, Busy) else None
    if busy and sum(not isinstance(one, Done) for one in busy.script) >= _MOST:
        return
    edges = state.taken is not None or state.doubt is not None
    for passed in SHORT if edges or busy else LONG:
        yield f"{passed / 2} hours pass", wait(state, passed)
    if jump and state.offset != jump:
        after = state._replace(offset=jump)
        if state.up:
            after = after._replace(lead=lead_after(state.lead, jump, 0))
        if busy is not None:
            after = after._replace(busy=busy.then(Stepped(jump)))
        yield f"the clock jumps by {jump / 2} hours", after


def wait(state: State, passed: int) -> State:
    """Let time pass: every stamp is longer ago."""
    row, busy = state.row, state.busy
    if isinstance(row, Pending):
        row = row.before(passed)
    if isinstance(busy, Closing):
        busy = Closing(busy.need.before(passed))
    elif busy is not None:
        busy = busy.then(Passed(passed))._replace(posted=_older(busy.posted, passed))
    lead = lead_after(state.lead, state.offset, passed) if state.up else state.lead
    return state._replace(
        lead=lead,
        down=0 if state.up else min(WINDOW, state.down + passed),
        age=min(LAST_SEND, state.age + passed) if state.caller == ASKING else 0,
        asked=False,
        replied=False,
        row=row,
        mark=_ago(state.mark, passed),
        busy=busy,
        late=False,
        taken=_older(state.taken, passed),
        doubt=_older(state.doubt, passed),
    )


def _ago(stamp: int | None, passed: int) -> int | None:
    return None if stamp is None else max(OLDEST, stamp - passed)


def _older(age: int | None, passed: int) -> int | None:
    return None if age is None else min(WINDOW, age + passed)


def crash(state: State) -> State:
    """End the process: what it was about to post may have been taken."""
    row = state.row
    if isinstance(row, Pending) and state.mark is not None and row.since is None:
        row = row._replace(since=state.mark, created=0)
    doubt = state.doubt
    if doubt is None and state.busy is not None:
        doubt = state.busy.posted
    after = state._replace(up=False, seen=state.offset, row=row, doubt=doubt)
    return after._replace(mark=None, busy=None, asked=False, replied=False)


def server(state: State) -> Iterator[Step]:
    """Give what the worker and TikTok can do next."""
    busy, row = state.busy, state.row
    if busy is None:
        if isinstance(row, Pending):
            yield "claims", go_on(state, Busy(row, state.lead, state.offset))
        return
    if isinstance(busy, Closing):
        yield busy.need.what, write(state, busy.need)
        return
    need = busy.need()
    if need.what == "sending":
        marked = state._replace(mark=need.at - busy.passed)
        yield need.what, go_on(marked, busy.then(Done()))
    else:
        yield from _answers(state, busy)


def write(state: State, need: Need) -> State:
    """Do what the outbox was asked for, at the end of a consignment."""
    state = state._replace(busy=None, mark=None)
    if need.what == "reschedule":
        return state._replace(row=need.row)
    state = state._replace(doubt=None)
    if need.what == "settle":
        problem = "" if state.taken is not None else "settled, and TikTok lacks it"
        return state._replace(row=DELIVERED, problem=problem)
    assert need.what == "kill"
    if need.ambiguous:
        return state._replace(row=IN_DOUBT)
    problem = "" if state.taken is None else "dead for certain, and TikTok has it"
    return state._replace(row=DEAD, problem=problem)


def go_on(state: State, busy: Busy) -> State:
    """Let a consignment run to where it waits next; note if it posts."""
    need = busy.need()
    if need.what == "sending":
        return state._replace(busy=busy)
    if need.what != "post":
        return state._replace(busy=Closing(need.before(busy.passed)))
    late = state.doubt is not None and state.doubt >= LAST_SEND
    problem = "sent 47 hours after a request whose end is unknown" if late else ""
    return state._replace(busy=busy._replace(posted=0, took=False), problem=problem)


def _answers(state: State, busy: Busy) -> Iterator[Step]:
    """Let TikTok take the event or not, at once, and its answer come now or later."""
    fresh = busy.posted == 0
    if fresh and not busy.took:
        yield "taken", take(state)._replace(busy=busy._replace(took=True))
    for answer in ANSWERS:
        verdict = classify(answer)
        done = busy.then(Done(answer))
        has = state.taken is not None
        if verdict.outcome is Outcome.DELIVERED:
            if has:
                yield f"answers {_name(answer)}", go_on(_doubt(state, busy), done)
        elif not verdict.certain:
            yield f"answers {_name(answer)}", go_on(_doubt(state, busy), done)
            if fresh and not has:
                late = go_on(_doubt(state, busy), done)._replace(late=True)
                yield f"answers {_name(answer)}, and takes it late", late
        elif not (busy.took or (has and verdict.outcome is Outcome.REJECTED)):
            yield f"answers {_name(answer)}", go_on(state, done)


def _doubt(state: State, busy: Busy) -> State:
    return state._replace(doubt=busy.posted) if state.doubt is None else state


def take(state: State) -> State:
    """Let TikTok take the event: for 48 hours it drops copies."""
    if state.taken is None:
        return state._replace(taken=0)
    if state.taken >= WINDOW:
        return state._replace(problem="counted twice")
    return state


def _name(answer: Answer) -> str:
    return str(answer.failure or answer.code or answer.http_status)
