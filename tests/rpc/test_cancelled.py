"""What a call that was broken off leaves behind."""

import asyncio
import gc
from types import FrameType
from typing import Any

from rpc.raw_calls import channel_to
from tokferry.v1 import ForwardStreamRequest, StreamOptions
from tokferry_server.rpc import guard

STREAM = "/tokferry.v1.ForwardingService/ForwardStream"


async def test_a_cancelled_call_is_freed_without_a_collection(start: Any) -> None:
    running = await start()
    options = ForwardStreamRequest(
        options=StreamOptions(connection="shop", validate_only=True)
    ).SerializeToString()
    async with channel_to(running.target) as channel:
        # mypy knows only the calls of generated stubs.
        stream: Any = channel.stream_stream(STREAM)
        await asyncio.to_thread(gc.collect)
        gc.disable()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            for _ in range(4):
                call = stream()
                await call.write(options)
                assert await call.read()
                call.cancel()
            await asyncio.sleep(0.2)
            gc.collect()
            held = [one for one in gc.garbage if isinstance(one, FrameType)]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
    assert not [one for one in held if one.f_code.co_filename == guard.__file__]
