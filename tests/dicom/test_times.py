"""Dates and times in every form that files have."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photopeak.dicom.times import date_text, parse_date, parse_datetime, parse_time, time_text


@pytest.mark.parametrize("text", ["20240506", "2024.05.06", "2024-05-06", " 20240506 "])
def test_dates_of_today_and_of_old(text: str) -> None:
    assert parse_date(text) == dt.date(2024, 5, 6)


@pytest.mark.parametrize("text", ["2024", "20241306", "20240230", "yesterday", "202405061"])
def test_what_is_no_date(text: str) -> None:
    with pytest.raises(ValueError):
        parse_date(text)


def test_parts_of_a_time_may_be_missing_and_a_leap_second_counts_as_the_one_before() -> None:
    assert parse_time("1030") == dt.time(10, 30)
    assert parse_time("235960") == dt.time(23, 59, 59)
    assert parse_time("103015.5") == dt.time(10, 30, 15, 500000)
    with pytest.raises(ValueError):
        parse_time("256000")


def test_an_offset_is_brought_to_the_files_own() -> None:
    local = dt.datetime(2024, 5, 6, 10, 30)
    assert parse_datetime("202405061030+0200", "+0200") == local
    assert parse_datetime("202405060830+0000", "+0200") == local
    assert parse_datetime("202405061030+0200") == local  # no offset of the file: the clock on the wall stands
    with pytest.raises(ValueError):
        parse_datetime("202405061030+0200", "CET")


@given(st.datetimes(min_value=dt.datetime(1900, 1, 1), max_value=dt.datetime(2200, 1, 1)))
def test_what_is_written_reads_back(moment: dt.datetime) -> None:
    assert parse_date(date_text(moment)) == moment.date()
    assert parse_time(time_text(moment)) == moment.time()
    assert parse_datetime(date_text(moment) + time_text(moment)) == moment


def test_nothing_is_written_of_nothing() -> None:
    assert date_text(None) == time_text(None) == ""
