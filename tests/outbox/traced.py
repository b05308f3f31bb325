"""Reads what strace saw of a server: is each answer sent after its rows were synced?

A row is known by the number of its event in what is written into the outbox's log, and
an answer by the same number in what is sent.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

CALLS = "openat,pwrite64,fdatasync,fsync,sendmsg"
_LINE = re.compile(r"(?P<thread>\d+) +(?P<rest>.*)")
_BEGUN = re.compile(r"(?P<call>\w+)\((?P<given>.*)")
_ENDED = re.compile(r"<\.\.\. (?P<call>\w+) resumed>.*\) += (?P<result>-?\d+)")
_RESULT = re.compile(r"\) += (-?\d+)[^)]*$")
_FILE = re.compile(r"(\d+)")
_ROW = re.compile(r"message-(\d{7})")


def strace() -> str:
    """Give its path; without it the test is skipped, and under CI it fails."""
    found = shutil.which("strace")
    if found is None:
        text = "strace is missing: install it, on Debian apt-get install strace"
        if os.environ.get("CI") == "true":
            pytest.fail(text)
        pytest.skip(text)
    return found


@dataclass
class Checker:
    """Goes through the lines; ``early`` are rows that were answered too early."""

    log: str = "-wal"
    logs: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    synced: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)
    early: set[str] = field(default_factory=set)
    syncs: int = 0
    _begun: dict[str, tuple[str, str, set[str]]] = field(default_factory=dict)

    def read(self, lines: Iterable[str]) -> None:
        for line in lines:
            found = _LINE.match(line)
            if found is None:
                continue
            thread, rest = found["thread"], found["rest"]
            ended = _ENDED.match(rest)
            if ended is not None:
                self._end(thread, ended["result"])
            elif begun := _BEGUN.match(rest):
                self._begin(thread, begun["call"], begun["given"])
                result = _RESULT.search(rest)
                if result is not None and not rest.endswith("<unfinished ...>"):
                    self._end(thread, result[1])

    def _begin(self, thread: str, call: str, given: str) -> None:
        rows: set[str] = set()
        if call == "sendmsg":
            rows = set(_ROW.findall(given)) - self.answered
            self.answered |= rows
            self.early |= rows - self.synced
        elif call == "pwrite64":
            rows = set(_ROW.findall(given))
        elif call in ("fdatasync", "fsync"):
            rows = set(self.written)
        self._begun[thread] = (call, given, rows)

    def _end(self, thread: str, result: str) -> None:
        call, given, rows = self._begun.pop(thread, ("", "", set()))
        if call == "openat" and f'{self.log}"' in given:
            self.logs.add(result)
        file = _FILE.match(given)
        if file is None or file[1] not in self.logs:
            return
        if call == "pwrite64":
            self.written |= rows - self.synced
        elif call in ("fdatasync", "fsync") and result == "0":
            self.syncs += 1
            self.synced |= rows
            self.written -= rows
