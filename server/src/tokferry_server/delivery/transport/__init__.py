"""Posts to TikTok over HTTP/1.1: the one package that knows httpx and httptools.

httpx gives the interface and the names of what can go wrong; its own transport costs
several times as much as this one, and a cancelled request can block it for good
(https://github.com/encode/httpcore/issues/1093).
"""

from tokferry_server.delivery.transport.post import Transport

__all__ = ["Transport"]
