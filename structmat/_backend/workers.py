"""Our threads: a small pool for nogil kernels over fixed chunks.

Chunks are a function of sizes only, never of the number of workers, and every chunk writes its own
part of the result: results are the same bits for every worker count. A task may call kernels, never
threaded BLAS (two pools spinning on the same cores cost more than either saves).

Rejected: Numba's ``prange``. Its layers abort on concurrent callers (workqueue) or kill a forked
child (GNU OpenMP), and a parallel kernel compiles two to three times slower.
"""

import functools
import operator
import os
import queue
import threading

__all__ = ["blas_threads", "chunks", "get_workers", "run", "set_workers"]

_count = None  # None: the cores this process may use, asked again every time
_pool = None  # queue of jobs with its threads, made at the first parallel call
_lock = threading.Lock()
_local = threading.local()


def _cores():
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1


@functools.cache
def blas_threads():
    """Threads that BLAS was told to use when the process began, by its environment.

    A limit set later is not noticed: that costs speed at most, and asking BLAS itself needs a
    library of its own.
    """
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        value = os.environ.get(name, "")
        if value.isdigit() and int(value):
            return int(value)
    return _cores()


def get_workers():
    """Threads that a parallel kernel may use."""
    return _cores() if _count is None else _count


class set_workers:
    """Set how many threads structmat's own kernels use; BLAS has its own setting.

    Parameters
    ----------
    workers : int or None
        At least 1. None is the default: the cores that this process may use. Small inputs use one
        thread whatever the setting. Holds for the whole process, from the call on; as a context
        manager, until the end of the block.

    Raises
    ------
    ValueError
        If `workers` is less than 1.
    TypeError
        If it is not an integer.

    Notes
    -----
    Results are bit-identical for every setting.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.set_workers(2)
    set_workers(2)
    >>> with sm.set_workers(1):
    ...     pass  # one thread here, two again afterwards
    >>> sm.set_workers(None)
    set_workers(None)
    """

    def __init__(self, workers):
        global _count
        if workers is not None:
            try:
                workers = operator.index(workers)
            except TypeError:
                raise TypeError(
                    f"workers must be an integer or None, got {type(workers).__name__}"
                ) from None
            if workers < 1:
                raise ValueError(
                    f"workers must be at least 1, got {workers}; "
                    "set_workers(None) uses the cores of this process"
                )
        with _lock:
            self._before, _count = _count, workers
        self._workers = workers

    def __enter__(self):
        return self

    def __exit__(self, *error):
        global _count
        with _lock:
            _count = self._before

    def __repr__(self):
        return f"set_workers({self._workers})"


def chunks(n, size):
    """[(0, size), (size, 2 size), ..., (..., n)]: fixed boundaries for `run`."""
    return [(start, min(start + size, n)) for start in range(0, n, size)]


def run(function, tasks):
    """Call ``function(*task)`` for every task, on several threads if that is allowed here.

    The caller's thread takes tasks too. The first exception (KeyboardInterrupt included) stops the
    handing out of tasks and is raised when those in progress have ended. Inside a task, `run` is
    serial.
    """
    tasks = list(tasks)
    helpers = min(get_workers(), len(tasks)) - 1
    if helpers < 1 or getattr(_local, "inside", False):
        for task in tasks:
            function(*task)
        return
    job = _Job(function, tasks)
    _threads(helpers).submit(job, helpers)
    job.work()
    job.wait()


class _Job:
    """Tasks that any thread may help with; a helper that comes late finds nothing to do."""

    def __init__(self, function, tasks):
        self.function = function
        self.tasks = iter(tasks)
        self.busy = 0
        self.error = None
        self.changed = threading.Condition(threading.Lock())

    def work(self):
        with self.changed:
            self.busy += 1
        _local.inside = True
        try:
            while (task := self._next()) is not None:
                self.function(*task)
        except BaseException as error:
            with self.changed:
                self.tasks = iter(())
                self.error = self.error or error
        finally:
            _local.inside = False
            with self.changed:
                self.busy -= 1
                self.changed.notify_all()

    def _next(self):
        with self.changed:
            return next(self.tasks, None)

    def wait(self):
        with self.changed:
            while self.busy:
                self.changed.wait()
        if self.error is not None:
            raise self.error


class _Pool:
    def __init__(self):
        self.jobs = queue.SimpleQueue()
        self.size = 0

    def grow(self, size):
        while self.size < size:
            self.size += 1
            # Daemons: a job never outlives its caller, so at exit they only wait for work.
            threading.Thread(target=self._serve, name=f"structmat-{self.size}", daemon=True).start()

    def _serve(self):
        while True:
            job = self.jobs.get()
            job.work()
            del job  # holds the caller's arrays

    def submit(self, job, helpers):
        for _ in range(helpers):
            self.jobs.put(job)


def _threads(size):
    global _pool
    with _lock:
        if _pool is None:
            _pool = _Pool()
        _pool.grow(size)
        return _pool


def _forget():
    """In a forked child: the threads are gone and the locks may be held by nobody."""
    global _pool, _lock, _local
    _pool = None
    _lock = threading.Lock()
    _local = threading.local()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
