"""Tests of monitors.probes.prober: a result whatever happens, and what says nothing about a target."""

import asyncio
import socket
import time

import pytest

from config import lookups
from config.networks import NetworkTable, read_openings
from monitors.probes import prober as prober_module
from monitors.probes.result import Code, Status
from monitors.probes.target import Target, Type
from tests.monitors.probes.looking import HASTY, PATIENT, is_up, look, names, prober, run
from tests.monitors.probes.servers import answer, serving, silent

NOBODY = socket.gaierror(socket.EAI_AGAIN, "try again")


@pytest.fixture
def resolver(monkeypatch):
    """Say whether the system's name servers answer."""

    def says(whether):
        async def any_answers(servers, port=53):
            return whether

        monkeypatch.setattr(lookups, "any_answers", any_answers)

    return says


# --- names -----------------------------------------------------------------------------------------------------------


def test_a_name_that_does_not_exist_is_down():
    result = run(look(Type.STATUS, "http://shop.example/", resolve=names()))
    assert (result.status, result.code, result.is_unanswered) == (Status.DOWN, Code.DNS_ERROR, False)
    assert result.cause == "The name shop.example does not exist, or has no address."


def test_a_name_that_nobody_answers_for_is_down_where_the_resolver_answers_for_others(resolver):
    resolver(True)
    result = run(look(Type.STATUS, "http://shop.example/", resolve=names(shop_example=NOBODY)))
    assert (result.status, result.code, result.is_unanswered) == (Status.DOWN, Code.DNS_ERROR, True)
    assert result.cause == "The look-up of shop.example got no answer."


def test_a_resolver_that_answers_for_no_name_says_nothing_about_any(resolver):
    resolver(False)
    result = run(look(Type.STATUS, "http://shop.example/", resolve=names(shop_example=NOBODY)))
    assert (result.status, result.code, result.is_unanswered) == (Status.INCONCLUSIVE, Code.DNS_ERROR, True)
    assert result.cause == "The resolver of this checker answers for no name."


def test_a_resolver_that_answered_lately_answers(resolver):
    resolver(False)

    async def once():
        resolve = names(shop_example=NOBODY, other_example=["127.0.0.1"])
        async with prober(resolve=resolve) as made:
            gone = await made.probe(Target(Type.STATUS, "http://gone.example/"))
            return gone, await made.probe(Target(Type.STATUS, "http://shop.example/"))

    gone, shop = run(once())
    assert (gone.status, shop.status) == (Status.DOWN, Status.DOWN)


@pytest.mark.parametrize(("answers", "status"), [(True, Status.DOWN), (False, Status.INCONCLUSIVE)])
def test_a_look_up_that_takes_too_long_is_one_without_an_answer(answers, status, resolver):
    resolver(answers)

    async def hanging(host):
        await asyncio.get_running_loop().create_future()

    result = run(look(Type.TCP, "shop.example:80", resolve=hanging, request_timeout=HASTY))
    assert (result.status, result.code, result.is_unanswered) == (status, Code.DNS_ERROR, True)


@pytest.mark.parametrize(("answers", "status"), [(True, Status.DOWN), (False, Status.INCONCLUSIVE)])
def test_the_same_of_a_dns_monitor_that_asks_the_systems_resolver(answers, status, resolver, monkeypatch):
    resolver(answers)
    monkeypatch.setattr(lookups, "name_servers", lambda: ["127.0.0.1"])
    monkeypatch.setattr("monitors.probes.records.ask", lambda *_: asyncio.sleep(HASTY * 9))
    result = run(look(Type.DNS, "shop.example", request_timeout=HASTY))
    assert (result.status, result.is_unanswered) == (status, True)


def test_a_name_with_a_link_local_address_and_a_good_one_is_up():
    async def once():
        async with serving(answer()) as server:
            return await look(Type.STATUS, server.url(), resolve=names(shop_example=["fe80::1", "127.0.0.1"]))

    result = run(once())
    assert is_up(result)
    assert (result.addresses, result.address) == (("fe80::1", "127.0.0.1"), "127.0.0.1")


# --- our own side ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Type.STATUS, Type.TCP, Type.UDP, Type.PING, Type.TLS, Type.SMTP])
def test_what_may_not_be_looked_at_is_not_and_the_setting_is_named(kind):
    url = "http://shop.example/" if kind == Type.STATUS else "shop.example"
    result = run(look(kind, url, port=80, table=NetworkTable(private=True)))
    assert (result.status, result.code) == (Status.INCONCLUSIVE, Code.OTHER)
    assert "WATCHKEEPER_MONITOR_NETWORKS" in result.cause


def test_the_table_can_be_replaced_while_it_runs():
    async def once():
        async with serving(answer()) as server, prober(NetworkTable()) as made:
            target = Target(Type.STATUS, server.url())
            before = await made.probe(target)
            made.table = NetworkTable(read_openings([f"127.0.0.1:{server.port}"]))
            return before, await made.probe(target)

    before, after = run(once())
    assert before.status == Status.INCONCLUSIVE
    assert is_up(after)


@pytest.mark.parametrize("number", ["EMFILE", "ENETUNREACH", "EADDRNOTAVAIL", "ENOBUFS", "EPERM"])
def test_what_this_machine_can_t_do_says_nothing_about_the_target(number, monkeypatch):
    import errno

    async def attempt(self, address, port):
        raise OSError(getattr(errno, number), "no")

    monkeypatch.setattr("config.dialing.Dialer._attempt", attempt)
    result = run(look(Type.TCP, "shop.example:80"))
    assert (result.status, result.code) == (Status.INCONCLUSIVE, Code.CONNECTION_ERROR)
    assert "checker" in result.cause


def test_a_route_that_is_missing_for_one_family_is_not_the_cause_that_is_told(monkeypatch):
    import errno

    async def attempt(self, address, port):
        raise OSError(errno.ENETUNREACH if address.version == 6 else errno.ECONNREFUSED, "no")

    monkeypatch.setattr("config.dialing.Dialer._attempt", attempt)
    result = run(look(Type.TCP, "shop.example:80", resolve=names(shop_example=["::1", "127.0.0.1"])))
    assert (result.status, result.cause) == (Status.DOWN, "shop.example refused the connection.")


def test_a_check_whose_time_was_over_while_our_process_stood_still_says_nothing(monkeypatch):
    monkeypatch.setattr(prober_module, "LATE", 0.25)

    async def once():
        async with serving(silent) as server, prober() as made:
            target = Target(Type.STATUS, server.url(), request_timeout=1)
            checks = [asyncio.create_task(made.probe(target)) for _ in range(200)]
            await asyncio.sleep(0.2)
            time.sleep(2)
            return await asyncio.gather(*checks)

    for result in run(once()):
        assert (result.status, result.code) == (Status.INCONCLUSIVE, Code.TIMEOUT)
        assert result.cause == "This checker was too busy to look in time."
        assert result.stalled > 1_000


def test_an_answer_that_came_while_our_process_stood_still_counts(monkeypatch):
    monkeypatch.setattr(prober_module, "LATE", 0.25)

    async def late(visit):
        await asyncio.sleep(0.1)
        await visit.say(answer())

    async def once():
        async with serving(late) as server, prober() as made:
            target = Target(Type.STATUS, server.url(), request_timeout=PATIENT)
            check = asyncio.create_task(made.probe(target))
            await asyncio.sleep(0.05)
            time.sleep(1)
            return await check

    result = run(once())
    assert is_up(result)
    assert result.stalled > 500


def test_a_silent_server_beside_a_process_that_goes_on_is_down():
    async def once():
        async with serving(silent) as server:
            return await look(Type.STATUS, server.url(), request_timeout=2)

    result = run(once())
    assert (result.status, result.code) == (Status.DOWN, Code.TIMEOUT)


def test_what_nobody_thought_of_is_a_result_and_a_line_in_the_log(monkeypatch):
    async def broken(*_):
        raise ZeroDivisionError

    said = []
    monkeypatch.setattr(prober_module, "look_at_http", broken)
    monkeypatch.setattr(prober_module.log, "warning", lambda event, **more: said.append((event, more)))
    result = run(look(Type.STATUS, "http://shop.example/"))
    assert (result.status, result.code) == (Status.INCONCLUSIVE, Code.OTHER)
    assert result.cause == "This checker failed to look; its log says more."
    assert len(said) == 1


def test_who_no_longer_wants_to_know_leaves_no_connection():
    async def once():
        gone = asyncio.Event()

        async def serve(visit):
            await visit.reader.read()
            gone.set()

        async with serving(serve) as server, prober() as made:
            check = asyncio.create_task(made.probe(Target(Type.STATUS, server.url(), request_timeout=PATIENT)))
            while not server.visits:
                await asyncio.sleep(0.01)
            check.cancel()
            with pytest.raises(asyncio.CancelledError):
                await check
            await gone.wait()
            assert not made.session.connector.lines

    run(once())


def test_no_connection_is_left_of_any_check():
    async def once():
        async with serving(answer()) as server, prober() as made:
            target = Target(Type.STATUS, server.url())
            assert all(map(is_up, await asyncio.gather(*(made.probe(target) for _ in range(50)))))
            while made.session.connector.lines:
                await asyncio.sleep(0.01)

    run(once())


def test_a_target_s_secrets_are_not_in_its_repr():
    target = Target(
        Type.STATUS, "http://shop.example/", auth_password="geheim", request_body="geheim", client_key="geheim",
        client_certificate="geheim", ca_certificate="geheim",
    )  # fmt: skip
    assert "geheim" not in repr(target)
