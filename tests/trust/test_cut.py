"""
A sender hangs up: before the body, in it, after it, and after the commit before the answer. What was kept is not kept
twice, what was not is not half there, and everybody else is served on.
"""

import socket
import struct

import pytest

from tests.running import HOST, eventually
from tests.trust.conftest import House
from tests.trust.parcels import Packer

PACKER = Packer(50)


def headed(path: str, headers: dict[str, str], body: bytes) -> bytes:
    lines = [f"POST {path} HTTP/1.1", f"Host: {HOST}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode()


def hang_up(line: socket.socket, how: str) -> None:
    """Close a connection in good order, or have the other side see it reset."""
    if how == "reset":
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.close()


def stored(house: House, tag: str) -> int:
    with house.running.connect() as connection:
        query = "SELECT count(*) FROM integrations_inbounddelivery WHERE position(%s::bytea in body) > 0"
        [[number]] = connection.execute(query, [f"tag={tag};".encode()])
    return int(number)


@pytest.mark.parametrize("how", ["closed", "reset"])
@pytest.mark.parametrize("way", [0, 1], ids=["token", "key"])
@pytest.mark.parametrize("share", [0, 0.5], ids=["before the body", "in the body"])
def test_an_event_of_which_the_end_never_came_is_not_kept_and_its_repetition_is_new(
    house: House, share: float, way: int, how: str
) -> None:
    path, headers = house.ways[way]
    parcel = PACKER.single()
    line = socket.create_connection((HOST, house.running.port), 10)
    line.sendall(headed(path, headers | parcel.headers, parcel.body) + parcel.body[: int(len(parcel.body) * share)])
    hang_up(line, how)
    assert house.send(parcel, way) == "accepted"
    assert stored(house, parcel.tags[0]) == 1


@pytest.mark.parametrize("how", ["closed", "reset"])
@pytest.mark.parametrize("way", [0, 1], ids=["token", "key"])
@pytest.mark.parametrize("webhook_id", [False, True], ids=["without a webhook-id", "with one"])
def test_an_event_kept_before_its_sender_hung_up_is_a_duplicate_when_it_is_repeated(
    house: House, webhook_id: bool, way: int, how: str
) -> None:
    path, headers = house.ways[way]
    parcel = PACKER.named() if webhook_id else PACKER.single()
    (house.faults / AFTER_THE_COMMIT).write_text("pause 0.3")
    line = socket.create_connection((HOST, house.running.port), 10)
    line.sendall(headed(path, headers | parcel.headers, parcel.body) + parcel.body)
    assert eventually(lambda: not (house.faults / AFTER_THE_COMMIT).exists(), 10)
    hang_up(line, how)
    assert house.send(parcel, way) == "duplicate"
    assert stored(house, parcel.tags[0]) == 1


@pytest.mark.parametrize("way", [0, 1], ids=["token", "key"])
def test_an_event_whose_sender_did_not_wait_is_kept_once(house: House, way: int) -> None:
    path, headers = house.ways[way]
    parcel = PACKER.single()
    with socket.create_connection((HOST, house.running.port), 10) as line:
        line.sendall(headed(path, headers | parcel.headers, parcel.body) + parcel.body)
    assert house.send(parcel, way) in ("accepted", "duplicate")
    assert stored(house, parcel.tags[0]) == 1


AFTER_THE_COMMIT = "ingest: kept and counted, before the answers"
