"""Every public scan at hand is read or refused as it is written down, by the hash of its bytes."""

import pytest

from tests.dicom.real_files import digest, expected, outcome, units


@pytest.mark.untraced
def test_every_file_does_what_is_written_down(shared_data, tmp_path):
    known, seen, wrong = expected(), set(), []
    for name, path in units(shared_data, tmp_path):
        key = digest(path)
        assert key in known, f"{name} is new: benchmarks/run dicom_table writes it down"
        seen.add(key)
        got = outcome(path)
        if {"file": known[key]["file"], **got} != known[key]:
            wrong.append((name, got, known[key]))
    assert not wrong
    assert seen


def test_what_is_written_down_is_of_use():
    known = expected().values()
    assert sum("reads" in one for one in known) > 10
    assert all(one["because"] and "Remedy" in one["because"] for one in known if "refused" in one)
