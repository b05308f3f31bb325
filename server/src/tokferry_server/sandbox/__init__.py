"""A strict stand-in of TikTok's Events API on loopback, for development and tests."""

from tokferry_server.sandbox.faults import Fault
from tokferry_server.sandbox.ledger import Counts, Taken
from tokferry_server.sandbox.server import Sandbox, serve
from tokferry_server.sandbox.strict import Problem, first_problem

__all__ = [
    "Counts",
    "Fault",
    "Problem",
    "Sandbox",
    "Taken",
    "first_problem",
    "serve",
]
