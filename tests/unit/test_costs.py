"""What a step is expected to cost where it was never made."""

from __future__ import annotations

from wheelhouse.common import costs


def test_the_longest_beginning_of_a_label_decides_in_the_table() -> None:
    trees = costs.table()["trees"]
    assert costs.tabled("trees", "tensorflow-2.14.1") == trees["tensorflow-2.14"].cpu_seconds
    assert costs.tabled("trees", "anything-1") == trees[""].cpu_seconds
    assert costs.tabled("no kind", "anything-1") == 0
