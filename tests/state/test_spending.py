"""The ledgers: in memory and in a file they say the same, and both what a plain sum says."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from qwenroute.domain.budget import Account, Balance, Window
from qwenroute.errors import ConfigurationError
from qwenroute.state import spending_sqlite
from qwenroute.state.spending import MANY, MemoryLedger, SpendLedger
from qwenroute.state.spending_sqlite import SqliteLedger

LIMIT = 1_000


def account(scope: str = "", *, budget: str = "all", begins: int = 0) -> Account:
    """An account of a minute."""
    return Account(budget=budget, scope=scope, window=Window.MINUTE, currency="USD", begins=begins, ends=begins + 60)


ACCOUNTS = [account(), account("acme", budget="each"), account("beta", budget="each"), account(begins=60)]
LIMITS = {ACCOUNTS[0]: LIMIT, ACCOUNTS[1]: 300, ACCOUNTS[2]: None, ACCOUNTS[3]: LIMIT}


@pytest.fixture(params=["memory", "sqlite"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SpendLedger]:
    """One of each kind."""
    found: SpendLedger = MemoryLedger() if request.param == "memory" else SqliteLedger(str(tmp_path / "spend.db"))
    yield found
    found.close()


class Bookkeeping(RuleBasedStateMachine):
    """Reserve, settle and wait in any order, in memory, in a file, and on paper."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.memory = MemoryLedger()
        self.file = SqliteLedger(str(Path(self.folder.name) / "spend.db"))
        self.now = 0.0
        self.count = 0
        self.spent = dict.fromkeys(ACCOUNTS, 0)
        self.holds: dict[str, tuple[list[Account], int, float]] = {}

    def reserved(self, one: Account) -> int:
        """What is held of an account, on paper."""
        return sum(amount for names, amount, until in self.holds.values() if one in names and until > self.now)

    @rule(
        chosen=st.lists(st.sampled_from(ACCOUNTS), min_size=1, max_size=3, unique=True),
        amount=st.integers(1, 400),
        lasts=st.sampled_from((1.0, 5.0, 50.0)),
    )
    def reserve(self, chosen: list[Account], amount: int, lasts: float) -> None:
        """Reserve in several accounts at once."""
        self.count += 1
        hold, asked = f"h{self.count}", [(one, LIMITS[one]) for one in chosen]
        until = self.now + lasts
        short = next(
            (a for a, limit in asked if limit is not None and self.spent[a] + self.reserved(a) + amount > limit), None
        )
        assert self.memory.reserve(hold, asked, amount, self.now, until) == short
        assert self.file.reserve(hold, asked, amount, self.now, until) == short
        if short is None:
            self.holds[hold] = (chosen, amount, until)

    @precondition(lambda self: self.holds)
    @rule(data=st.data(), share=st.sampled_from((0.0, 0.3, 1.0, 1.5)))
    def settle(self, data: st.DataObject, share: float) -> None:
        """Settle one, which may have expired, for less or more than was reserved."""
        hold = data.draw(st.sampled_from(sorted(self.holds)))
        chosen, amount, _ = self.holds.pop(hold)
        cost = int(amount * share)
        for one in chosen:
            self.spent[one] += cost
        self.memory.settle(hold, chosen, cost)
        self.file.settle(hold, chosen, cost)

    @rule(seconds=st.sampled_from((0.5, 3.0, 20.0)))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    @rule()
    def open_again(self) -> None:
        """Let go of the file, and open it again: nothing is lost, what is reserved neither."""
        self.file.close()
        self.file = SqliteLedger(self.file.path)

    @invariant()
    def all_three_agree(self) -> None:
        """Balances are what the sums on paper say."""
        expected = [Balance(spent=self.spent[a], reserved=self.reserved(a)) for a in ACCOUNTS]
        assert self.memory.balances(ACCOUNTS, self.now) == expected
        assert self.file.balances(ACCOUNTS, self.now) == expected
        for alike in (account(), account(budget="each")):
            assert self.memory.scopes(alike, self.now) == self.file.scopes(alike, self.now)

    def teardown(self) -> None:
        """Close and delete the file."""
        self.file.close()
        self.folder.cleanup()


TestBookkeeping = Bookkeeping.TestCase
TestBookkeeping.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def test_a_refused_reservation_holds_nothing(ledger: SpendLedger) -> None:
    """All accounts or none: a limit that is exceeded leaves the others as they were."""
    roomy, tight = account(), account(budget="tight")
    assert ledger.reserve("a", [(roomy, LIMIT), (tight, 10)], 11, 0.0, 60.0) == tight
    assert ledger.balances([roomy, tight], 0.0) == [Balance(), Balance()]


def test_threads_never_reserve_more_than_there_is(ledger: SpendLedger) -> None:
    """Eight threads at once get exactly what the limit holds."""
    got: list[str] = []

    def grab(thread: int) -> None:
        for number in range(40):
            hold = f"{thread}-{number}"
            if ledger.reserve(hold, [(account(), LIMIT)], 7, 0.0, 60.0) is None:
                got.append(hold)

    threads = [threading.Thread(target=grab, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == LIMIT // 7
    assert ledger.balances([account()], 0.0) == [Balance(reserved=LIMIT // 7 * 7)]


def _spend(path: str, start: object, times: int) -> None:
    ledger = SqliteLedger(path)
    start.wait()  # type: ignore[attr-defined]
    for number in range(times):
        hold = f"{os.getpid()}-{number}"
        if ledger.reserve(hold, [(account(), LIMIT)], 9, 0.0, 60.0) is None:
            ledger.settle(hold, [account()], 4)
    ledger.close()


def test_processes_share_a_file(tmp_path: Path) -> None:
    """Four processes that open the file at once spend what there is, to the last call, and no more."""
    path = str(tmp_path / "spend.db")
    context = multiprocessing.get_context("spawn")
    start = context.Event()
    processes = [context.Process(target=_spend, args=(path, start, 100)) for _ in range(4)]
    for process in processes:
        process.start()
    start.set()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    with closing(SqliteLedger(path)) as ledger:
        balance = ledger.balances([account()], 0.0)[0]
    assert balance.reserved == 0
    assert LIMIT - 9 < balance.spent <= LIMIT


def test_a_child_goes_on_with_the_file_and_without_the_parents_memory(tmp_path: Path) -> None:
    """After a fork the file is shared, and what the parent reserved in memory is the parent's."""
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    memory, file = MemoryLedger(), SqliteLedger(str(tmp_path / "spend.db"))
    for ledger in (memory, file):
        ledger.reserve("parent", [(account(), LIMIT)], 100, 0.0, 60.0)
    child = os.fork()
    if child == 0:
        try:
            right = memory.balances([account()], 0.0) == [Balance()]
            right = right and file.balances([account()], 0.0) == [Balance(reserved=100)]
            file.reserve("child", [(account(), LIMIT)], 50, 0.0, 60.0)
            file.settle("child", [account()], 20)
        finally:
            os._exit(0 if right else 1)
    assert os.waitpid(child, 0)[1] == 0
    file.settle("parent", [account()], 90)
    assert file.balances([account()], 0.0) == [Balance(spent=110)]
    file.close()


OTHER = "import sys, sqlite3; db = sqlite3.connect(sys.argv[1]); print(*db.execute(sys.argv[2]).fetchone()); db.close()"


def test_two_routers_of_one_process_do_not_end_each_others_locks(tmp_path: Path) -> None:
    """Who opens the file a second time leaves the first its lock, or another process would throw its journal away."""
    path = str(tmp_path / "spend.db")
    first, second = SqliteLedger(path), SqliteLedger(path)
    second.close()
    ask = [sys.executable, "-c", OTHER, path, "SELECT coalesce(sum(spent), 0) FROM qwenroute_spend_1"]
    assert subprocess.run(ask, check=True, capture_output=True, text=True).stdout.split() == ["0"]
    first.settle("hold", [account()], 7)
    assert subprocess.run(ask, check=True, capture_output=True, text=True).stdout.split() == ["7"]
    first.close()


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_does_not_wait_for_its_parents_threads(tmp_path: Path) -> None:
    """A fork while another thread is at a ledger leaves the child one that works."""
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    memory, file = MemoryLedger(), SqliteLedger(str(tmp_path / "spend.db"))
    with memory._lock, file._lock:
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            memory.settle("child", [account()], 20)
            file.settle("child", [account()], 20)
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert file.balances([account()], 0.0) == [Balance(spent=20)]
    file.close()


KILLED = """
import os, sys
from qwenroute.state.spending_sqlite import SqliteLedger
from tests.state.test_spending import account

ledger = SqliteLedger(sys.argv[1])
for number in range(1_000_000):
    hold = f"{os.getpid()}-{number}"
    assert ledger.reserve(hold, [(account(), None)], 10, 0.0, 600.0) is None
    ledger.settle(hold, [account()], 3)
    print(number, flush=True)  # the answer is in its caller's hands
"""


def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    """SIGKILL at any moment: what was settled is there, and what was only reserved is free in time."""
    path = str(tmp_path / "spend.db")
    command = [sys.executable, "-c", KILLED, path]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == "50":
                break
        process.send_signal(signal.SIGKILL)
        answered = 51 + len(process.stdout.read().splitlines())
    with closing(SqliteLedger(path)) as ledger:
        at_once = ledger.balances([account()], 1.0)[0]
        assert answered * 3 <= at_once.spent <= (answered + 1) * 3
        assert at_once.reserved in {0, 10}
        later = ledger.balances([account()], 600.0)[0]
        assert later == Balance(spent=at_once.spent)
        assert ledger.reserve("new", [(account(), LIMIT)], LIMIT - at_once.spent, 600.0, 700.0) is None


def test_old_windows_are_forgotten(ledger: SpendLedger) -> None:
    """A window that ended weeks ago is not kept for ever, one that goes on is."""
    for number in range(MANY + 1):
        one = account(begins=86_400 * number)
        ledger.reserve(f"{number}", [(one, None)], 1, one.begins, one.ends)
        ledger.settle(f"{number}", [one], 1)
    assert ledger.balances([account(), one], one.begins) == [Balance(), Balance(spent=1)]


def broken_folder(path: Path) -> None:
    """Leave it as it is: the folder is missing."""


def broken_text(path: Path) -> None:
    """A file that is no database."""
    path.parent.mkdir()
    path.write_text("This is not the file that you are looking for.\n" * 100, encoding="utf-8")


def broken_folder_in_its_place(path: Path) -> None:
    """A folder of that name."""
    path.mkdir(parents=True)


def broken_other_tables(path: Path) -> None:
    """A database whose table of that name is another."""
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE qwenroute_spend_1 (id INTEGER PRIMARY KEY)")
        db.execute("CREATE TABLE qwenroute_held_1 (hold TEXT)")
        db.commit()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (broken_folder, "make its folder, or mend `ledger.path`"),
        (broken_text, "restore it from a copy, or move it away to begin a new one"),
        (broken_folder_in_its_place, "mend `ledger.path`"),
        (broken_other_tables, "cannot be used"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_clear_error(
    tmp_path: Path, spoil: Callable[[Path], None], words: str
) -> None:
    """It names the file and what to do, when the ledger is opened."""
    path = tmp_path / "folder" / "spend.db"
    spoil(path)
    with pytest.raises(ConfigurationError) as caught:
        SqliteLedger(str(path))
    assert str(path) in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_another_holds_on_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting has an end, and then it is an error that says why; nothing was changed."""
    monkeypatch.setattr(spending_sqlite, "BUSY_S", 0.01)
    path = str(tmp_path / "spend.db")
    with closing(SqliteLedger(path)) as ledger, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ConfigurationError, match="another process holds on to it"):
            ledger.reserve("a", [(account(), LIMIT)], 1, 0.0, 60.0)
        other.execute("ROLLBACK")
        assert ledger.reserve("a", [(account(), LIMIT)], 1, 0.0, 60.0) is None


def test_a_file_that_breaks_while_it_is_used(tmp_path: Path) -> None:
    """Damage that shows later is the same kind of error."""
    path = tmp_path / "spend.db"
    with closing(SqliteLedger(str(path))) as ledger:
        with closing(sqlite3.connect(path)) as other:
            other.execute("DROP TABLE qwenroute_held_1")
        with pytest.raises(ConfigurationError, match="no such table"):
            ledger.reserve("a", [(account(), LIMIT)], 1, 0.0, 60.0)
