"""Ctrl-C while generated code runs: the C side asks between tasks, Python answers with what a signal handler raised.

Python runs signal handlers on its main thread between two instructions of Python. A long run executes none, so C calls
`hear`, a Python function of no effect: a handler that is due runs when it starts. What the handler raises is kept, the
run skips its remaining tasks, and the caller raises it. Handlers that raise nothing run in time too.
"""

import threading
from functools import lru_cache
from typing import Any, Final, NoReturn

from mosaic.runtime.library import foreign_interface

_GO_ON: Final = 0
_STOP: Final = 1
_NEVER_ASK_AGAIN: Final = 2


class Listener:
    """The C callback that asks Python, and for each thread the error that ends its run."""

    def __init__(self) -> None:
        self._errors = threading.local()
        self.callback: Any = foreign_interface().callback(  # Any: cffi's objects have no static type
            "int(void)", self._hear, error=_STOP, onerror=self._keep
        )

    def _hear(self) -> int:
        # Signals are handled on the main thread only: others need not wait for the interpreter's lock again.
        return _GO_ON if threading.get_ident() == threading.main_thread().ident else _NEVER_ASK_AGAIN

    def _keep(self, kind: type[BaseException], error: BaseException, traceback: object) -> int:
        self._errors.latest = error
        return _STOP

    def stop(self) -> NoReturn:
        """Raise what ended the run of this thread: usually KeyboardInterrupt."""
        latest: BaseException | None = self._errors.__dict__.pop("latest", None)
        raise KeyboardInterrupt if latest is None else latest


@lru_cache(maxsize=1)
def listener() -> Listener:
    """The one listener of the process."""
    return Listener()
