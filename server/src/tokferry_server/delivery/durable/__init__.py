"""DURABLE delivery: a worker that takes events from an outbox to TikTok."""

from tokferry_server.delivery.durable.clock import Clock
from tokferry_server.delivery.durable.connection import WorkerConnection
from tokferry_server.delivery.durable.journal import Journal
from tokferry_server.delivery.durable.pauses import Pause, PauseFolder
from tokferry_server.delivery.durable.status import (
    Counts,
    LaneState,
    LaneStatus,
    LastVerdict,
    WorkerStatus,
)
from tokferry_server.delivery.durable.uptime import Uptime
from tokferry_server.delivery.durable.worker import Worker

__all__ = [
    "Clock",
    "Counts",
    "Journal",
    "LaneState",
    "LaneStatus",
    "LastVerdict",
    "Pause",
    "PauseFolder",
    "Uptime",
    "Worker",
    "WorkerConnection",
    "WorkerStatus",
]
