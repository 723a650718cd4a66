import os

import pytest

from config.commandline import sharing


@pytest.mark.parametrize("arguments", [[], ["--full"], ["-q", "--durations=10", "-x"], ["-n0"]])
def test_all_tests_are_shared_out_among_as_many_processes_as_there_are_processors(arguments, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert sharing(arguments) == ["-n", "2"]
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert sharing(arguments) == ["-n", "4"]


@pytest.mark.parametrize(
    "arguments",
    [["tests/config"], ["-q", "tests/a.py::test_b"], ["-k", "clock"], ["-m", "browser", "tests/browser"], ["--pdb"]],
)
def test_some_tests_run_in_one_process_and_so_does_what_somebody_looks_into(arguments):
    assert sharing(arguments) == []


def test_one_processor_runs_one_process(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert sharing([]) == []
