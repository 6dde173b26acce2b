"""Every port: what the drivers ask of the outside world.

Adapters implement these; drivers take them as arguments; ``app/wire.py`` introduces them.
"""

from chatelaine.ports.keeping import (
    IncidentStore,
    KeyStore,
    Outbox,
    Receiver,
    RestraintStore,
    Sealer,
    WatchStore,
)
from chatelaine.ports.traffic import (
    AddressBook,
    CallerLine,
    Capture,
    Clock,
    Entropy,
    Journal,
    Meter,
    Recording,
    ReplyListener,
    Series,
    Telemetry,
    UpstreamLine,
    Upstreams,
)

__all__ = [
    "AddressBook",
    "CallerLine",
    "Capture",
    "Clock",
    "Entropy",
    "IncidentStore",
    "Journal",
    "KeyStore",
    "Meter",
    "Outbox",
    "Receiver",
    "Recording",
    "ReplyListener",
    "RestraintStore",
    "Sealer",
    "Series",
    "Telemetry",
    "UpstreamLine",
    "Upstreams",
    "WatchStore",
]
