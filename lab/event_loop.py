"""One thread of a lab that runs asynchronous servers; the rest of the lab is threads."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

_LIMIT_S = 20.0


class EventLoop:
    """Starts its thread when it is first used; after `stop` it can be used again."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def run(self, work: Coroutine[None, None, T]) -> T:
        """Run *work* in the loop and return its result; never call it from the loop itself.

        Raises:
            TimeoutError: It takes unreasonably long.
        """
        return asyncio.run_coroutine_threadsafe(work, self._running()).result(_LIMIT_S)

    def soon(self, work: Callable[[], object]) -> None:
        """Let the loop call *work*; nothing happens if it does not run."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(work)

    def stop(self) -> None:
        """End the thread, if there is one."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(_wind_up(), loop).result(_LIMIT_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_LIMIT_S)
        loop.close()

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._loop.run_forever, daemon=True, name=self._name
                )
                self._thread.start()
            return self._loop


async def _wind_up() -> None:
    """End what is left in the loop, so that nothing is closed half-way."""
    loop = asyncio.get_running_loop()
    rest = asyncio.all_tasks(loop) - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    await loop.shutdown_default_executor()
