"""Shared words: the identifiers and units that every room uses."""

from typing import Final, NewType

KeyId = NewType("KeyId", str)
"""The public part of a virtual key (its kid): nine base62 characters."""

OwnerId = NewType("OwnerId", str)
"""The tenant, team or customer a key belongs to."""

AppName = NewType("AppName", str)
"""The application of an owner that a key was issued for."""

PepperId = NewType("PepperId", str)
"""Names the pepper a token digest was made with, so that peppers can be rotated."""

ExchangeId = NewType("ExchangeId", str)
"""One request and its reply: 24 random hexadecimal digits, told to the caller as its request id."""

UpstreamName = NewType("UpstreamName", str)
"""A configured model server or provider endpoint."""

ProviderId = NewType("ProviderId", str)
"""A folder of the providers shelf: openai, azure, anthropic, gemini, bedrock."""

ProviderKeyName = NewType("ProviderKeyName", str)
"""Names a provider key held in the vault."""

WorkerNumber = NewType("WorkerNumber", int)
"""A gate worker, from 1; 0 is the hub."""

Epoch = NewType("Epoch", int)
"""Counts changes of a table that the hub pushes; grows by one a change."""

Instant = NewType("Instant", int)
"""A moment in nanoseconds since 1970-01-01 UTC."""

NanoUsd = NewType("NanoUsd", int)
"""Money in billionths of a US dollar."""

ContextId = NewType("ContextId", str)
"""A client context by network prefix, TLS client and header order: 16 hexadecimal digits of their hash."""

DetectionId = NewType("DetectionId", str)
"""A folder of the detections shelf."""

PlaybookId = NewType("PlaybookId", str)
"""A folder of the playbooks shelf."""

FindingId = NewType("FindingId", str)
"""One finding: 24 hexadecimal digits."""

AlertId = NewType("AlertId", str)
"""One alert: 24 hexadecimal digits."""

IncidentId = NewType("IncidentId", str)
"""One incident: ``inc_`` and twelve base62 digits."""

ActionId = NewType("ActionId", str)
"""One action of a playbook: ``act_`` and twelve base62 digits."""

NoticeId = NewType("NoticeId", str)
"""One notice: ``msg_`` and 24 hexadecimal digits of the hash of what it tells of."""

ReceiverName = NewType("ReceiverName", str)
"""A configured receiver of notices."""

KeyedHash = NewType("KeyedHash", str)
"""32 hexadecimal digits of a keyed SHA-256 over something that must not be stored in clear."""

SECOND: Final = 1_000_000_000
"""Nanoseconds in a second: the unit in which instants are compared."""

NOTHING: Final = NanoUsd(0)
"""No money."""

NEVER: Final = Instant(0)
"""The instant of what has not happened."""
