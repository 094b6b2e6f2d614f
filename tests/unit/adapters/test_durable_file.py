"""What a disk is made to keep, and when: a name never leads to less than the whole file."""

import os

from node.adapters.durable_file import sync_folder, write_durably
from tests.unit.adapters.noted_disk import NotedDisk


def test_a_file_is_whole_on_the_disk_before_it_bears_its_name_and_then_its_name_is(
    disk: NotedDisk,
) -> None:
    write_durably(disk.folder / "file", b"old")
    write_durably(disk.folder / "file", b"new")
    assert disk.synced == [("file.tmp", b"old"), ["file"], ("file.tmp", b"new"), ["file"]]


def test_nothing_stays_open_of_a_folder_that_was_synced(disk: NotedDisk) -> None:
    def next_free() -> int:
        descriptor = os.open(disk.folder, os.O_RDONLY)
        os.close(descriptor)
        return descriptor

    before = next_free()
    sync_folder(disk.folder)
    assert next_free() == before
