"""
Real servers of other protocols, Twisted's: SMTP, IMAP, POP3 (plain, with STARTTLS, and in TLS), and DNS. A process of
its own, since Twisted has one reactor for a process: it says its ports as a line of JSON, and ends with its standard
input.

    python -m tests.monitors.probes.real_servers certificate-and-key.pem

Ann may log in with the password `correct horse`.
"""

import json
import sys

from twisted.cred import checkers, portal
from twisted.internet import protocol, reactor, ssl, stdio
from twisted.mail import imap4, pop3, smtp
from twisted.names import authority, dns, server
from zope.interface import implementer

HOST = "127.0.0.1"
NAME, PASSWORD = b"ann", b"correct horse"


@implementer(portal.IRealm)
class Realm:
    """Everybody who logs in has an empty account."""

    def requestAvatar(self, avatar, mind, *interfaces):
        kinds = {
            imap4.IAccount: lambda: imap4.MemoryAccount("ann"),
            pop3.IMailbox: pop3.Mailbox,
            smtp.IMessageDelivery: lambda: None,
        }
        kind = next(one for one in interfaces if one in kinds)
        return kind, kinds[kind](), lambda: None


PORTAL = portal.Portal(Realm(), [checkers.InMemoryUsernamePasswordDatabaseDontUse(**{NAME.decode(): PASSWORD})])


class Mail(protocol.Factory):
    """Makes a server for each connection."""

    def __init__(self, make):
        self.make = make

    def buildProtocol(self, addr):
        made = self.make()
        made.factory = self
        made.portal = PORTAL
        return made


class Pop(pop3.POP3):
    """Twisted's, with STLS (RFC 2595), which it knows as a client only."""

    tls = None

    def listCapabilities(self):
        return [*super().listCapabilities(), *([b"STLS"] if self.tls else [])]

    def do_STLS(self):
        self.successResponse(b"go on")
        self.transport.startTLS(self.tls)
        self.tls = None

    AUTH_CMDS = [*pop3.POP3.AUTH_CMDS, b"STLS"]


def start_mail(tls):
    """The mail servers' ports."""

    def smtp_server(context):
        made = smtp.ESMTP({b"PLAIN": imap4.PLAINCredentials}, context)
        made.host = b"mail.example"
        return made

    def pop_server(context):
        made = Pop()
        made.tls = context
        return made

    def imap_server(context):
        return imap4.IMAP4Server({b"PLAIN": imap4.PLAINCredentials}, context)

    ports = {}
    for name, make in {"smtp": smtp_server, "imap": imap_server, "pop": pop_server}.items():
        ports[name] = reactor.listenTCP(0, Mail(lambda make=make: make(tls)), interface=HOST)
        ports[f"{name}-plain"] = reactor.listenTCP(0, Mail(lambda make=make: make(None)), interface=HOST)
        ports[f"{name}s"] = reactor.listenSSL(0, Mail(lambda make=make: make(None)), tls, interface=HOST)
    return ports


def start_dns():
    """A name server for shop.example; its port is the same for UDP and TCP."""
    zone = authority.FileAuthority(None)
    records = {
        b"shop.example": [
            dns.Record_SOA(b"ns.shop.example", b"hostmaster.shop.example", 7, 1, 1, 1, 1),
            dns.Record_A("192.0.2.7"),
            dns.Record_A("192.0.2.8"),
            dns.Record_AAAA("2001:db8::7"),
            dns.Record_MX(10, b"mail.shop.example"),
            dns.Record_NS(b"ns.shop.example"),
            dns.Record_TXT(b"v=spf1 include:", b"_spf.shop.example -all"),
            dns.Record_SRV(1, 2, 5060, b"sip.shop.example"),
        ],
        b"www.shop.example": [dns.Record_CNAME(b"shop.example")],
        b"long.shop.example": [dns.Record_TXT(b"%03d" % number * 80) for number in range(40)],
        b"7.2.0.192.in-addr.arpa.shop.example": [dns.Record_PTR(b"shop.example")],
    }
    zone.soa = (b"shop.example", records[b"shop.example"][0])
    zone.records = records
    factory = server.DNSServerFactory(authorities=[zone])
    for _ in range(20):
        udp = reactor.listenUDP(0, dns.DNSDatagramProtocol(factory), interface=HOST)
        try:
            return reactor.listenTCP(udp.getHost().port, factory, interface=HOST)
        except Exception:
            udp.stopListening()
    raise SystemExit("no port is free for both UDP and TCP")


class Ending(protocol.Protocol):
    """Ends the process when whoever started it is gone."""

    def connectionLost(self, reason=protocol.connectionDone):
        reactor.stop()


def main(file):
    with open(file) as text:
        tls = ssl.PrivateCertificate.loadPEM(text.read()).options()
    ports = start_mail(tls) | {"dns": start_dns()}
    sys.stdout.write(json.dumps({name: port.getHost().port for name, port in ports.items()}) + "\n")
    sys.stdout.flush()
    stdio.StandardIO(Ending())
    reactor.run()


if __name__ == "__main__":
    main(sys.argv[1])
