"""``tokferry health``: whether a service answers, for those who watch containers."""

from pathlib import Path
from typing import Annotated

import typer

_SECONDS = 3.0


def health(
    target: Annotated[
        str, typer.Option(help="The service's HOST:PORT.")
    ] = "127.0.0.1:50051",
    ca: Annotated[
        Path | None,
        typer.Option(help="Speak TLS, and trust the certificates of this PEM file."),
    ] = None,
) -> None:
    """Ask a service whether it serves.

    Exit codes: 0 when it does; 1 when it does not, or does not answer.
    """
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    try:
        channel = (
            grpc.insecure_channel(target)
            if ca is None
            else grpc.secure_channel(
                target, grpc.ssl_channel_credentials(ca.read_bytes())
            )
        )
        with channel:
            answer = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=_SECONDS
            )
    except OSError as error:
        typer.echo(f"{ca} cannot be read: {error.strerror}", err=True)
        raise typer.Exit(1) from None
    except grpc.RpcError as error:
        code = error.code().name if isinstance(error, grpc.Call) else "no answer"
        typer.echo(f"{target} does not answer: {code}", err=True)
        raise typer.Exit(1) from None
    name = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    typer.echo(name)
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise typer.Exit(1)
