import os

import pytest

from config.commandline import set_own_secrets, sharing
from config.keepsakes import SECRETS, set_secrets


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


def test_tests_and_benches_make_no_secrets_beside_the_installation_s_database(tmp_path, monkeypatch):
    for name in SECRETS:
        monkeypatch.delenv(name, raising=False)
    set_own_secrets(tmp_path / "test", tmp_path)
    assert all(os.environ[name] for name in SECRETS)
    assert [file.name for file in tmp_path.iterdir()] == ["test"]


def test_a_bench_uses_the_secrets_of_before_where_it_has_none_of_its_own(tmp_path, monkeypatch):
    known: dict[str, str] = {}
    set_secrets(tmp_path, known)
    for name in SECRETS:
        monkeypatch.delenv(name, raising=False)
    set_own_secrets(tmp_path / "bench", tmp_path)
    assert {name: os.environ[name] for name in SECRETS} == known
    assert not list((tmp_path / "bench").iterdir())
