"""
What is used of other packages though they don't promise it. Each has an upper bound in requirements.in; whoever raises
it learns here, by name, what has changed, and finds in our module what it is used for.
"""

import asyncio
import inspect
import multiprocessing
import re
import signal
import threading
from importlib.metadata import version
from pathlib import Path

import pytest
from aiohttp import TCPConnector
from aiohttp.client_proto import ResponseHandler
from django.http import StreamingHttpResponse
from granian import Granian
from granian._signals import set_loop_signals
from granian.constants import Interfaces
from granian.server.mp import WorkerProcess

REQUIREMENTS = Path(__file__).parents[2] / "requirements.in"


def has_changed(package: str, what: str, where: str) -> str:
    """What to say where a part is not as it was."""
    return f"{package} {version(package)}: {what} is not as {where} uses it"


@pytest.mark.parametrize("package", ["granian", "aiohttp", "Django"])
def test_a_package_whose_inner_parts_are_used_has_an_upper_bound(package):
    assert re.search(rf"^{package}>=[0-9.]+,<[0-9.]+$", REQUIREMENTS.read_text(), re.MULTILINE)


def test_granians_server_respawns_its_workers_as_config_web_expects():
    server = Granian("config.asgi:application", interface=Interfaces.ASGINL)
    kinds = {
        "wrks": list,
        "interrupt_children": list,
        "respawned_wrks": dict,
        "respawn_failed_workers": bool,
        "main_loop_interrupt": threading.Event,
    }
    for name, kind in kinds.items():
        assert isinstance(getattr(server, name, None), kind), has_changed("granian", f"Granian.{name}", "config.web")
    respawn = inspect.signature(Granian._respawn_workers)
    assert list(respawn.parameters)[:2] == ["self", "workers"], has_changed("granian", str(respawn), "config.web")
    loop = inspect.getsource(Granian._serve_loop)
    assert "self._respawn_workers(workers, " in loop, has_changed("granian", "_serve_loop", "config.web")


def test_granians_workers_say_since_when_they_live_and_how_they_ended():
    class Ended(WorkerProcess):
        def _spawn(self, target, args):
            self.inner = multiprocessing.get_context("fork").Process(target=target, args=args)

    worker = Ended(None, 0, print, ())
    assert isinstance(worker.birth, float), has_changed("granian", "AbstractWorker.birth", "config.web")
    assert worker.inner.exitcode is None, has_changed("granian", "AbstractWorker.inner", "config.web")
    assert worker.is_alive() is False, has_changed("granian", "AbstractWorker.is_alive", "config.web")


def test_granian_tells_its_loop_of_signals_in_the_way_that_ours_go_past():
    """config.front has streams end at SIGTERM; what granian has told the loop to do is still done."""
    heard = []

    async def both():
        loop = asyncio.get_running_loop()
        stop = set_loop_signals(loop)
        assert signal.SIGTERM in loop._signal_handlers, has_changed("granian", "set_loop_signals", "config.front")
        loop.add_signal_handler(signal.SIGTERM, heard.append, "theirs")
        signal.signal(signal.SIGTERM, lambda *_: loop.call_soon_threadsafe(heard.append, "ours"))
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0.1)
        return stop

    before = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
    try:
        asyncio.run(both())
    finally:
        for each, handler in zip((signal.SIGTERM, signal.SIGINT), before, strict=True):
            signal.signal(each, handler)
    assert sorted(heard) == ["ours", "theirs"]


def test_aiohttps_connector_makes_its_connections_by_a_factory():
    async def factory():
        connector = TCPConnector()
        try:
            return getattr(connector, "_factory", None)
        finally:
            await connector.close()

    assert callable(asyncio.run(factory())), has_changed("aiohttp", "TCPConnector._factory", "config.egress")


def test_aiohttps_connections_are_made_told_and_ended_as_config_egress_expects():
    async def made():
        return ResponseHandler(asyncio.get_running_loop())

    one = asyncio.run(made())
    for name in ("_payload", "transport", "should_close", "abort", "close", "data_received", "connection_lost"):
        assert hasattr(one, name), has_changed("aiohttp", f"ResponseHandler.{name}", "config.egress")
    said = inspect.signature(ResponseHandler.set_response_params).parameters.values()
    assert all(each.kind == each.KEYWORD_ONLY for each in list(said)[1:]), has_changed(
        "aiohttp", "ResponseHandler.set_response_params", "config.egress"
    )
    assert isinstance(ResponseHandler.should_close, property)


def test_django_keeps_what_is_to_be_done_when_it_was_answered():
    answer = StreamingHttpResponse([])
    closers = getattr(answer, "_resource_closers", None)
    assert isinstance(closers, list), has_changed("Django", "HttpResponse._resource_closers", "config.streams")
