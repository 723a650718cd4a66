"""
Who and what the demo is about: an outdoor shop, the people who keep it running, and what they watch.

Plain data, all invented. Not here: what happens to them (story).
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from integrations.models import IntegrationType
from teams.models import Role

ORGANIZATION = "Harbour & Pine Outfitters"
TEAM = "Platform operations"
# By these the demo is known, whatever anybody renames it to.
ORGANIZATION_ID, TEAM_ID = "org_demo", "team_demo"

# How long ago the story begins.
BEGINNING = timedelta(days=30)


@dataclass(frozen=True)
class Person:
    """Somebody of the team; `number` is the vendor's id of them."""

    key: str
    name: str
    role: Role
    number: int

    @property
    def email(self) -> str:
        """Where they could be written to, if they existed."""
        return f"{self.key}@harbourpine.example"


@dataclass(frozen=True)
class Source:
    """Whoever sends events: an integration, and what it calls itself in them. `since`: connected how long ago."""

    key: str
    name: str
    type: IntegrationType
    organization_id: str
    team_id: str
    agent: str
    since: timedelta
    numbers_deliveries: bool = False


@dataclass(frozen=True)
class Watched:
    """A monitor or heartbeat at its source. Only monitors have a url and a type."""

    key: str
    id: int
    name: str
    url: str = ""
    type: str = ""
    source: str = "better_stack"

    @property
    def kind(self) -> str:
        """`monitor` or `heartbeat`; an incident may call it otherwise."""
        return "monitor" if self.type else "heartbeat"


@dataclass(frozen=True)
class Own:
    """A monitor or heartbeat of the team's own; `details` are what its form asks for beside the name."""

    key: str
    number: int
    kind: str
    name: str
    details: dict[str, Any]


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong now and then: with what, how it shows, for how many minutes, what is found out."""

    on: str
    name: str
    cause: str
    minutes: tuple[int, int]
    notes: tuple[str, ...] = ()


PEOPLE = {
    each.key: each
    for each in (
        Person("mara", "Mara Lindqvist", Role.MANAGER, 5101),
        Person("tomas", "Tomás Ferreira", Role.RESPONDER, 5102),
        Person("priya", "Priya Raman", Role.RESPONDER, 5103),
        Person("jonas", "Jonas Weber", Role.RESPONDER, 5104),
        Person("daniel", "Daniel Okafor", Role.RESPONDER, 5105),
        Person("aoife", "Aoife Brennan", Role.VIEWER, 5106),
    )
}
ON_CALL = ("tomas", "priya", "jonas")

SOURCES = {
    each.key: each
    for each in (
        Source(
            "better_stack", "Better Stack", IntegrationType.BETTER_STACK, "412907", "88213", "BetterStack-Webhook/1.0",
            since=BEGINNING,
        ),
        Source(
            "warehouse", "Warehouse gateway", IntegrationType.OTHER, "harbourpine", "lisbon-dc", "gateway/2.3",
            since=timedelta(days=24), numbers_deliveries=True,
        ),
    )
}  # fmt: skip


def page(url: str, kind: str = "status") -> dict[str, Any]:
    """The details of a monitor of our own."""
    return {"url": url, "type": kind}


SHOP = "https://www.harbourpine.example"
API = "https://api.harbourpine.example"

WATCHED = {
    each.key: each
    for each in (
        Watched("storefront", 2410311, "Storefront", f"{SHOP}/", "status"),
        Watched("storefront_de", 2410312, "Storefront (Deutschland)", "https://www.harbourpine.example/de/", "keyword"),
        Watched("search", 2410313, "Product search", f"{API}/search/health", "status"),
        Watched("checkout", 2410314, "Checkout API", f"{API}/checkout/health", "status"),
        Watched("payments", 2410315, "Payment callbacks", f"{API}/payments/callback/ping", "expected_status_code"),
        Watched("accounts", 2410316, "Sign-in and accounts", "https://id.harbourpine.example/health", "status"),
        Watched("images", 2410317, "Image delivery", "https://img.harbourpine.example/probe.webp", "status"),
        Watched("orders", 2410318, "Order status page", f"{SHOP}/orders/status", "keyword"),
        Watched("returns", 2410319, "Returns portal", "https://returns.harbourpine.example/", "status"),
        Watched("inventory", 2410320, "Inventory API", f"{API}/inventory/health", "status"),
        Watched("pricing", 2410321, "Pricing API", f"{API}/pricing/health", "status"),
        Watched("recommend", 2410322, "Recommendations", f"{API}/recommend/health", "status"),
        Watched("giftcards", 2410323, "Gift cards", f"{SHOP}/gift-cards", "keyword"),
        Watched("stores", 2410324, "Store finder", f"{SHOP}/stores", "status"),
        Watched("notes", 2410325, "Field notes (blog)", "https://notes.harbourpine.example/", "status"),
        Watched("smtp", 2410326, "Mail relay", "mx1.harbourpine.example:587", "smtp"),
        Watched("dns", 2410327, "Name server ns1", "ns1.harbourpine.example", "dns"),
        Watched("vpn", 2410328, "Office VPN", "vpn.harbourpine.example", "ping"),
        Watched("erp", 2410329, "ERP bridge", "https://erp-bridge.harbourpine.example/ready", "status"),
        Watched("legacy", 2410330, "Legacy order import (SOAP)", "https://soap.harbourpine.example/?wsdl", "status"),
        Watched("landing", 2447205, "Autumn sale landing page", f"{SHOP}/autumn", "keyword"),
        Watched("scanners", 11, "Handheld scanner gateway", "tcp://10.20.4.11:9100", "tcp", "warehouse"),
        Watched("labels", 14, "Label print server", "tcp://10.20.4.14:631", "tcp", "warehouse"),
        Watched("conveyor", 17, "Conveyor controller", "tcp://10.20.6.2:502", "tcp", "warehouse"),
        Watched("doors", 19, "Dock door sensors", "tcp://10.20.6.40:1883", "tcp", "warehouse"),
        Watched("badges", 23, "Badge reader, old gate", "tcp://10.20.9.3:4070", "tcp", "warehouse"),
        Watched("aisle_b", 302, "Access point, aisle B", source="warehouse"),
        Watched("aisle_d", 304, "Access point, aisle D", source="warehouse"),
        Watched("backup", 310201, "Nightly database backup"),
        Watched("erp_export", 310202, "Order export to ERP"),
        Watched("price_feed", 310203, "Supplier price feed import"),
        Watched("settlement", 310204, "Payment settlement run"),
        Watched("reindex", 310205, "Search index rebuild"),
        Watched("sitemap", 310206, "Sitemap generation"),
        Watched("archive", 310207, "Log archive to cold storage"),
        Watched("newsletter", 310208, "Newsletter queue"),
        Watched("stock_sync", 310209, "Warehouse stock sync"),
        Watched("coupon_mail", 310210, "Coupon reminder mails"),
    )
}

DAY, HOUR = 86_400, 3_600

OWN = {
    each.key: each
    for each in (
        Own("handbook", 1, "monitor", "Staff handbook", page("https://handbook.harbourpine.example/")),
        Own("porto_tills", 2, "monitor", "Tills, Porto store", page("https://tills.porto.harbourpine.example/ready")),
        Own(
            "porto_cards", 3, "monitor", "Card terminals, Porto store", page("https://cards.porto.harbourpine.example/")
        ),
        Own("collect", 4, "monitor", "Click and collect", page(f"{SHOP}/collect", "keyword")),
        Own("kiosk", 5, "monitor", "Showroom kiosk", page("https://kiosk.harbourpine.example/", "ping")),
        Own("wiki", 6, "monitor", "Old wiki", page("https://wiki.harbourpine.example/")),
        Own("payroll", 7, "heartbeat", "Payroll export", {"period": 31 * DAY, "grace": DAY}),
        Own("renewal", 8, "heartbeat", "Certificate renewal", {"period": DAY, "grace": HOUR}),
    )
}

REGIONS = ("eu-west-1", "eu-central-1", "us-east-1", "ap-southeast-2")
ESCALATION_POLICY = 9021

# What ordinary days bring. Each comes about twice in the month.
FAULTS = (
    Fault("storefront", "Storefront is down", "Status 503 Service Unavailable", (4, 22), (
        "Two of the six web nodes were out of memory after the release. Rolled back to build 4812.",
        "Raised the memory limit and added an alert at 85 %, so that we hear of it before customers do.",
    )),
    Fault("storefront", "Storefront is slow", "Response time above 4 s for 5 minutes", (9, 45), (
        "Cache hit rate fell to 31 % after the purge. It recovered by itself once the caches were warm.",
    )),
    Fault("storefront_de", "Storefront (Deutschland) lacks a word", "Keyword “In den Warenkorb” not found", (12, 60), (
        "A translation key was missing in release 4790; the button showed “cart.add”. Hotfix deployed.",
    )),
    Fault("search", "Product search is down", "Timeout after 30 s", (6, 35), (
        "Search node 3 was merging segments. Moved merges to the night.",
        "Customer care reports about twenty calls about empty result pages.",
    )),
    Fault("checkout", "Checkout API is down", "Status 502 Bad Gateway", (5, 28), (
        "The connection pool to the order database was exhausted; a report was run on the primary. Stopped it.",
        "Reports go to the replica from now on. Ticket OPS-2291 for a separate pool.",
    )),
    Fault("payments", "Payment callbacks fail", "Expected status 200, got 500", (7, 40), (
        "The payment provider sent a new field that our parser refused. Made the parser tolerant.",
    )),
    Fault("accounts", "Sign-in is down", "Status 500 Internal Server Error", (4, 18), (
        "Session store failed over, and the application kept its old connections. Restarted the workers.",
    )),
    Fault("images", "Image delivery is degraded", "Status 504 Gateway Timeout", (8, 50), (
        "Origin shield in Frankfurt was overloaded. Opened case 118204 with the CDN.",
    )),
    Fault("orders", "Order status page lacks a word", "Keyword “Where is my parcel” not found", (10, 55), (
        "The carrier's API answered with an empty list; we now show the last known state instead.",
    )),
    Fault("returns", "Returns portal is down", "Connection refused", (6, 30)),
    Fault("inventory", "Inventory API is slow", "Response time above 2 s for 10 minutes", (12, 70), (
        "Missing index after Tuesday's migration. Created it concurrently, no downtime.",
    )),
    Fault("pricing", "Pricing API is down", "Status 503 Service Unavailable", (4, 20), (
        "Deployment without readiness check. Added one.",
    )),
    Fault("recommend", "Recommendations are down", "Timeout after 30 s", (15, 80), (
        "Model server restarts every six hours until its memory leak is fixed (OPS-2254). The shop copes without.",
    )),
    Fault("giftcards", "Gift cards page lacks a word", "Keyword “Check balance” not found", (10, 40)),
    Fault("stores", "Store finder is down", "Status 429 Too Many Requests", (10, 45), (
        "Map provider's quota was used up by a crawler. Blocked it and asked for a higher quota.",
    )),
    Fault("notes", "Field notes (blog) is down", "TLS certificate has expired", (30, 120), (
        "The renewal hook did not reload nginx. Reloaded by hand; fixed the hook.",
    )),
    Fault("smtp", "Mail relay does not answer", "Connection timed out on port 587", (5, 25)),
    Fault("vpn", "Office VPN is unreachable", "No reply to 3 pings", (3, 15), (
        "The provider announced maintenance on the uplink; expected to last half an hour.",
    )),
    Fault("erp", "ERP bridge is not ready", "Status 503 Service Unavailable", (15, 90), (
        "ERP was closed for the month-end booking. Orders are queued; nothing is lost.",
    )),
    Fault("scanners", "Scanner gateway offline", "Connection reset by peer", (5, 30), (
        "Access point 7 in aisle D lost power. Electrician informed.",
    )),
    Fault("conveyor", "Conveyor controller offline", "Modbus timeout", (8, 35), (
        "Emergency stop was pressed during cleaning. No fault in the controller.",
    )),
    Fault("doors", "Dock door sensors silent", "MQTT broker unreachable", (10, 45)),
    Fault("erp_export", "Order export to ERP was missed", "No heartbeat for 20 minutes", (15, 70), (
        "The export waited for a lock held by the month-end job. Ran it by hand: 1,204 orders exported.",
    )),
    Fault("price_feed", "Supplier price feed import was missed", "No heartbeat for 2 hours", (30, 150), (
        "Supplier delivered the file three hours late. Their contact is informed.",
    )),
    Fault("reindex", "Search index rebuild was missed", "No heartbeat for 45 minutes", (20, 80)),
    Fault("stock_sync", "Warehouse stock sync was missed", "No heartbeat for 15 minutes", (10, 45), (
        "Gateway in the warehouse was restarted for updates. Stock figures are current again.",
    )),
)  # fmt: skip
