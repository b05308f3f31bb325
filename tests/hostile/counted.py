"""Serves as `tokferry` does, and says on SIGUSR1 how many tasks there are."""

import asyncio
import signal

from tokferry_server.cli import main


def say(*_: object) -> None:
    """Write it to the output; the loop runs when signals are looked at."""
    print(len(asyncio.all_tasks()), flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, say)
    main()
