"""A wire, such as from a worker to its database, that can be slow, silent, reset, refused, or cut behind a byte."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

Address = Path | tuple[str, int]
"""A Unix socket, or a host and a port."""


@dataclass
class Wire:
    """Passes bytes on in both directions, or does not; its attributes may be set from any thread.

    `silent` stops the bytes and leaves the sockets as they are; `cut_after` resets a connection when so many more
    bytes have come back from the database, once.
    """

    upstream: Address
    address: Address = ("", 0)
    latency: float = 0.0
    silent: bool = False
    refusing: bool = False
    cut_after: int | None = None
    _ends: set[asyncio.StreamWriter] = field(default_factory=set)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    def mend(self) -> None:
        """Be a wire again."""
        self.latency, self.silent, self.refusing, self.cut_after = 0.0, False, False, None

    def reset(self) -> None:
        """Reset every connection that is open now."""
        for end in list(self._ends):
            self._loop.call_soon_threadsafe(_reset, end)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection of a worker."""
        if self.refusing:
            return _reset(writer)
        try:
            there = await _connect(self.upstream)
        except OSError:
            return _reset(writer)
        self._ends |= {writer, there[1]}
        try:
            await asyncio.gather(self._pump(reader, there[1], back=False), self._pump(there[0], writer, back=True))
        except asyncio.CancelledError:
            _reset(writer)
        finally:
            self._ends -= {writer, there[1]}

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, back: bool) -> None:
        try:
            while data := await source.read(65_536):
                if self.latency:
                    await asyncio.sleep(self.latency)
                while self.silent:
                    await asyncio.sleep(0.02)
                if back and self.cut_after is not None:
                    if self.cut_after < len(data):
                        sink.write(data[: self.cut_after])
                        self.cut_after = None
                        return _reset(sink)
                    self.cut_after -= len(data)
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            sink.close()


@asynccontextmanager
async def open_wire(upstream: Address, folder: Path, port: int = 0) -> AsyncIterator[Wire]:
    """Lay a wire: to a Unix socket from one in `folder`, else from `port`, 0 for a free one."""
    wire = Wire(upstream)
    connections: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(wire.connected(reader, writer))
        connections.add(task)
        task.add_done_callback(connections.discard)

    if isinstance(upstream, Path):
        folder.mkdir(parents=True)
        wire.address = folder / upstream.name
        server = await asyncio.start_unix_server(connected, wire.address)
    else:
        server = await asyncio.start_server(connected, "127.0.0.1", port)
        wire.address = server.sockets[0].getsockname()
    async with server:
        yield wire
        for task in connections:
            task.cancel()


async def _connect(address: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if isinstance(address, Path):
        return await asyncio.open_unix_connection(address)
    return await asyncio.open_connection(*address)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection so that the other side gets an RST, as from a machine that forgot it."""
    end = writer.get_extra_info("socket")
    if end and end.family != socket.AF_UNIX and end.fileno() >= 0:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
