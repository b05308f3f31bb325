"""The settings file as a model, but for the connections: keys, types, single values."""

from typing import Annotated

from pydantic import AfterValidator, Field

from tokferry_server.settings.addresses import check_base_url, check_listen
from tokferry_server.settings.certificate_name import check_certificate_name
from tokferry_server.settings.connection_table import ConnectionTable
from tokferry_server.settings.model import RIGHTS
from tokferry_server.settings.table import Distinct, NotEmpty, SecretPlace, Table
from tokferry_server.settings.values import Count, Name, Positive, Text, one_of


class TlsTable(Table):
    """``[server.tls]``: paths of PEM files."""

    certificate: Text
    key: Text
    client_ca: Text | None = None


class PrincipalTable(Table):
    """One of ``[[server.principals]]``."""

    name: Name
    tokens: Annotated[list[SecretPlace], NotEmpty, Distinct] | None = None
    certificate: Annotated[Text, AfterValidator(check_certificate_name)] | None = None
    connections: Annotated[list[str], NotEmpty, Distinct]
    rights: Annotated[list[Annotated[str, one_of(*RIGHTS)]], NotEmpty, Distinct]
    events_per_second: Positive | None = None
    streams: Count | None = None


class ServerTable(Table):
    """``[server]``."""

    listen: Annotated[Text, AfterValidator(check_listen)] = ""
    workers: Count = 1
    state_dir: Text = ""
    allow_plaintext: bool = False
    allow_anonymous: bool = False
    memory_limit: Count | None = None
    metrics: Annotated[Text, AfterValidator(check_listen)] | None = None
    tls: TlsTable | None = None
    principals: list[PrincipalTable] = Field(default=[])


class OutboxTable(Table):
    """``[outbox]``."""

    path: Text = ""
    max_rows: Count = 1
    max_bytes: Count = 1
    key_file: Text | None = None


class TikTokTable(Table):
    """``[tiktok]``. ``allow_loopback`` is first: the address is judged by it."""

    allow_loopback: bool = False
    base_url: Annotated[Text, AfterValidator(check_base_url)] = ""


class File(Table):
    """The whole file."""

    server: ServerTable = ServerTable()
    outbox: OutboxTable | None = None
    tiktok: TikTokTable = TikTokTable()
    connections: dict[Name, ConnectionTable] = Field(default={})
