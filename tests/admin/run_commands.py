"""Runs commands that it reads, one a line: each alone would load the program anew."""

from __future__ import annotations

import json
import sys

from typer.testing import CliRunner

from tokferry_server.cli.app import app


def main() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        done = CliRunner().invoke(app, asked["arguments"], input=asked["given"])
        err = done.stderr
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            err += f"Traceback: {done.exception!r}"
        told = {"code": done.exit_code, "out": done.stdout, "err": err}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
