"""What must hold at every moment of a simulation, and at its end."""

from durable.memory_outbox import key_of
from durable.simulation.life import Machine
from durable.simulation.tiktok import HOUR

_OF_ITSELF = {"INVALID_EVENT"}


def check(machine: Machine) -> None:
    """Note every violation among TikTok's problems."""
    outbox, problems = machine.outbox, machine.tiktok.problems
    places = [set(outbox.pending), set(outbox.delivered), set(outbox.dead_rows)]
    if set.union(*places) != set(range(1, outbox.next_id)):
        problems.append("an event is lost")
    if sum(map(len, places)) != outbox.next_id - 1:
        problems.append("an event is in two places")
    taken = machine.tiktok.taken
    for id_, key in _keys_of_delivered(machine).items():
        if key not in taken:
            problems.append(f"event {id_} counts as delivered, and TikTok lacks it")
    for row in outbox.dead_rows.values():
        if row.reason in _OF_ITSELF and row.event_id not in machine.tiktok.bad:
            problems.append(f"{row.event_id} is good, and dead as {row.reason}")
        if not row.ambiguous and key_of(row) in taken:
            problems.append(f"{row.event_id} is dead for certain, and TikTok has it")


def _keys_of_delivered(machine: Machine) -> dict[int, tuple[str, str, str]]:
    outbox = machine.outbox
    return {
        id_: key for key, (id_, _, _) in outbox.known.items() if id_ in outbox.delivered
    }


def check_end(machine: Machine) -> None:
    """Check that the days of sunshine brought everything to an end."""
    problems = machine.tiktok.problems
    if machine.outbox.pending:
        waiting = sorted(machine.outbox.pending)[:5]
        problems.append(f"events {waiting} are neither delivered nor dead at the end")
    for row in machine.outbox.dead_rows.values():
        if row.reason == "EXPIRED" and machine.times.wall() - row.created < 168 * HOUR:
            problems.append(f"{row.event_id} expired within seven days")
