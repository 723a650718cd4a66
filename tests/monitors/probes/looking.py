"""Looking at a target in a test: through the whole Prober, at servers on this machine."""

import asyncio
import socket
from contextlib import asynccontextmanager

from config.networks import NetworkTable, read_openings
from monitors.probes.prober import Prober
from monitors.probes.result import Status
from monitors.probes.target import Target

# What a test opens, so that something on this machine can be looked at.
HERE = NetworkTable(read_openings(["127.0.0.0/8", "::1"]))
# Seconds after which a test has hung, and times: for what has to end by itself, and for what never ends.
HUNG = 30
PATIENT, HASTY = 2 * HUNG, 0.4


def run(coroutine):
    """Run a test's coroutine to its end, which has to come."""
    return asyncio.run(asyncio.wait_for(coroutine, HUNG))


def names(**known):
    """A resolver that knows some names (with _ for dots), and says of all others that they don't exist."""
    book = {name.replace("_", "."): addresses for name, addresses in known.items()}

    async def resolve(host):
        if host not in book:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        if isinstance(book[host], BaseException):
            raise book[host]
        return book[host]

    return resolve


async def shop_is_here(host):
    """A resolver to whom every name leads to this machine."""
    return ["127.0.0.1"]


@asynccontextmanager
async def prober(table=HERE, resolve=shop_is_here, **how):
    """A Prober for servers on this machine."""
    async with Prober(table, resolve=resolve, **how) as made:
        yield made


async def look(kind, url, *, table=HERE, resolve=shop_is_here, bundle="", **target):
    """Look at a target once."""
    async with prober(table, resolve, bundle=bundle) as made:
        return await made.probe(Target(kind, url, **{"request_timeout": PATIENT} | target))


def is_up(result):
    """Whether a result is up, and says nothing else; shown whole where it is not."""
    assert (result.status, result.code, result.cause) == (Status.UP, None, None), result
    return True
