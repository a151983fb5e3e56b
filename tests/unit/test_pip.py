from __future__ import annotations

import shutil
import threading
from pathlib import Path

from wheelhouse.sources import pip


def test_the_size_of_a_folder_is_told_while_another_process_removes_files(tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(b"123")
    done = threading.Event()

    def come_and_go() -> None:
        while not done.is_set():
            folders = [tmp_path / f"{number}" / "below" for number in range(20)]
            for folder in folders:
                folder.mkdir(parents=True)
                (folder / "file").write_bytes(b"45")
            for folder in folders:
                shutil.rmtree(folder.parent)

    other = threading.Thread(target=come_and_go)
    other.start()
    try:
        sizes = {pip.bytes_in(tmp_path) for _ in range(300)}
    finally:
        done.set()
        other.join()
    assert min(sizes) >= 3
    assert pip.bytes_in(tmp_path) == 3
