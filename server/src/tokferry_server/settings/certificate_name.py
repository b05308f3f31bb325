"""The name in a client certificate by which a caller is known."""

from tokferry_server.settings.values import refuse

KINDS = ("CN=", "DNS:", "URI:")
"""The subject's common name, and the alternative names of two kinds."""


def check_certificate_name(text: str) -> str:
    """Check that the name says of which kind it is."""
    if not any(text.startswith(kind) and len(text) > len(kind) for kind in KINDS):
        raise refuse(
            "must say what kind of name it is: DNS:orders.example.com, "
            "URI:spiffe://example.com/orders, or CN=orders"
        )
    return text
