"""Mistakes in how many mailboxes share a process and a mail server."""

from __future__ import annotations

from tests.mutation.mutants import Mutant

LOGINS = ("tests/unit/daemon/test_logins.py",)
WATCH = ("tests/unit/daemon/test_watch.py",)
WAKEUPS = ("tests/unit/daemon/test_wakeups.py",)
FILES = ("tests/unit/test_open_files.py",)

MUTANTS = (
    Mutant(
        "turns: whoever asks first, not who came first",
        "daemon/logins.py",
        function="ServerLogins.turn",
        old="            if place > 0 or wait > 0:\n",
        new="            if wait > 0:\n",
        tests=LOGINS,
    ),
    Mutant(
        "turns: a slow server is given as many",
        "daemon/logins.py",
        function="ServerLogins._wait",
        old="        if len(self._begun) >= self._at_a_time:\n",
        new="        if len(self._begun) > 1000:\n",
        tests=LOGINS,
    ),
    Mutant(
        "turns: logins that hang keep the others out",
        "daemon/logins.py",
        function="ServerLogins._wait",
        old="        hung_since = now - self._counted_for\n",
        new="        hung_since = 0.0\n",
        tests=LOGINS,
    ),
    Mutant(
        "turns: who waits again keeps its place",
        "daemon/logins.py",
        function="Logins._wait",
        old="            self._release(who)  # or it would keep everybody behind it waiting\n",
        new="",
        tests=LOGINS,
    ),
    Mutant(
        "turns: a watch that ends stays in the queue",
        "daemon/sessions.py",
        function="SessionLoop._has_turn",
        old="        self._logins.leave(self)\n",
        new="",
        tests=WATCH,
    ),
    Mutant(
        "listeners: a swallowed change is no news",
        "daemon/listener.py",
        function="IdleListener._session",
        old="            if state.uidnext is None or state != before:\n",
        new="            if state.uidnext is None:\n",
        tests=WATCH,
    ),
    Mutant(
        "listeners: one without a thread ends the session",
        "daemon/watch.py",
        function="Watch._start",
        old="        except StateError as error:\n",
        new="        except ZeroDivisionError as error:\n",
        tests=WATCH,
    ),
    Mutant(
        "schedule: mailboxes of one round are woken by nobody",
        "daemon/wakeups.py",
        function="rounds",
        old="            together = tuple(mailboxes[number::count])\n",
        new="            together = tuple(mailboxes[number : number + 1])\n",
        tests=WAKEUPS,
    ),
    Mutant(
        "headings: a slow server is asked for as many as a quick one",
        "pace.py",
        function="Pace.came",
        old="            self.width = max(FEWEST, int(self.width * AIM / seconds))\n",
        new="            self.width = min(self.width, MOST)\n",
        tests=("tests/unit/test_pace.py", "tests/unit/test_survey.py"),
    ),
    Mutant(
        "headings: behind a gap a slow server is asked for more than it gives in time",
        "pace.py",
        function="Pace.came",
        old="            widest = min(WIDEST, int(self._a_second * LONGEST))\n",
        new="            widest = WIDEST\n",
        tests=("tests/unit/test_pace.py",),
    ),
    Mutant(
        "open files: a limit that is too low stays",
        "open_files.py",
        function="make_room",
        old="            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, most))\n",
        new="",
        tests=FILES,
    ),
)
