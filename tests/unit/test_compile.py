import pytest

from wheelhouse import compile

GB = 10**9


@pytest.mark.parametrize(
    ("cores", "free", "jobs"),
    [(4, 8 * GB, 4), (8, 4 * GB, 4), (4, GB, 1), (4, 0, 1), (1, 64 * GB, 1)],
)
def test_only_as_many_compiles_run_at_once_as_memory_holds(cores, free, jobs):
    assert compile.jobs(cores, free) == jobs
