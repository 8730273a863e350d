"""The thread that reads a worker's lines, beside the judge's that opens and ends sessions."""

import subprocess
import threading

from course_lib.grading.sandbox.bubblewrap import Limits
from course_lib.grading.sandbox.pool import Worker
from course_lib.grading.sandbox.session import Session


class Ending(Worker):
    """Its session is over as soon as anyone has looked at it: the judge is the faster one."""

    @property
    def session(self):
        seen, self.current = self.current, None
        return seen

    @session.setter
    def session(self, session):
        self.current = session


def test_a_session_that_ends_between_two_looks_ends_no_reader():
    worker = Ending(Limits(), sandboxed=False)
    process = subprocess.Popen(["echo", "="], stdout=subprocess.PIPE)
    ready = threading.Event()

    deal = worker._deal

    def then_open(line, ready):  # a session is open when the line has been dealt with
        deal(line, ready)
        worker.session = Session(1.0)

    worker._deal = then_open
    worker._read(process, ready)  # AttributeError before, and the next answer "out of time"
    process.stdout.close()
    assert process.wait() == 0 and ready.is_set()
