"""How long a client may take to say what it wants: else half-sent headers hold a connection.

uvicorn waits for the rest of a request's head as long as the client likes, and counts the
connection among those that it may have. A few hundred clients that send one line each would shut
everybody else out (the "slowloris" attack). The body's time is `admission.Gate`'s.
"""

from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0


class PatientProtocol(H11Protocol):
    """uvicorn's protocol, that hangs up where a request's head isn't whole in time."""

    head_seconds = HEAD_SECONDS
    _timer: Any | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """A clock runs while a head is awaited. Between two requests uvicorn's own one does."""
        if self.conn.their_state is not h11.IDLE:
            self._forget()
        elif self._timer is None:
            self._timer = self.loop.call_later(self.head_seconds, self._hang_up)

    def _forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _hang_up(self) -> None:
        self._timer = None
        if self.conn.their_state is h11.IDLE:
            self.transport.close()
