"""An order in words, for `zegel order show`, for readers who have not seen one before.

What lives here: text. What must not: any check; the order may be unverified. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from cryptography import x509

from keys import certificate
from keys.certificate import fingerprint, groups
from keys.cose import Alg
from keys.lanes import Role
from keys.operation_key import op_tag
from keys.order import LINK_MAX, Order, VerifiedOrder, classical_keys, fits_link
from keys.order_device import OrderDevice
from keys.order_station import OrderStation
from keys.policy import Policy, PolicyFlag
from keys.times import HOUR_S, duration, utc

_INDENT = " " * 6
Times = Callable[[int], str]  # of Unix seconds


def describe(
    order: Order | VerifiedOrder, claimed: Sequence[int] = (), *, now: int | None = None, when: Times = utc
) -> str:
    """The whole order, several lines without a final newline. For a verified one, also who signed it.

    `claimed` are the algorithms of the unverified signatures. `now` is the time of a plausible clock, and `when` formats a
    time.
    """
    content = order.content if isinstance(order, VerifiedOrder) else order
    head = _head(content, now, when)
    parts = [head, _devices(content), _stations(content), _recording(content), _policy(content.policy)]
    parts.append(_reference(content))
    lines = [line for part in parts for line in (*part, "")]
    return "\n".join([*lines, *_signatures(order, claimed)])


def standing(order: Order, now: int) -> str:
    """Whether it is in force at this time, how long still, how long not yet or how long not any more."""
    if now > order.not_after:
        return f"ENDED {duration(now - order.not_after)} ago"
    if now < order.not_before:
        return f"NOT BEGUN: begins in {duration(order.not_before - now)}, ends in {duration(order.not_after - now)}"
    return f"in force, ends in {duration(order.not_after - now)}"


def too_large(data: bytes) -> str | None:
    """What is to be said of an order file that does not go by the link; None if it does."""
    if fits_link(data):
        return None
    return (
        f"too large for the link ({len(data):,} bytes, at most {LINK_MAX:,}): carry it to the aircraft and to each station"
        " as a file"
    )


def agency_fingerprint(roots: Iterable[x509.Certificate]) -> str:
    """The fingerprint of one agency's roots: for a hybrid agency one fingerprint over both keys, P-384 first.

    So a root.crt from which one of the two was removed does not have the fingerprint that the agency states.
    """
    return groups(certificate.agency_id(roots))


def root_key(of_agency: Sequence[x509.Certificate]) -> str:
    """An agency's root key, or both of a hybrid one, with the fingerprint that people compare."""
    keys, kinds = ("keys", f" ({_kinds(of_agency)})") if len(of_agency) > 1 else ("key", "")
    return f"root {keys} fingerprint {agency_fingerprint(of_agency)}{kinds}"


def signed_by(order: VerifiedOrder) -> str:
    """Who signed the order, in one line."""
    agency, roots = order.content.agency, [signature.root for signature in order.signatures]
    keys = "both of them needed, root keys" if len(roots) > 1 else "root key"
    signer = f"its order signer of generation {order.generation} ({_kinds(roots)})"
    return f"signed for {agency!r} by {signer}, {keys} {agency_fingerprint(roots)}"


def _kinds(roots: Iterable[x509.Certificate]) -> str:
    return " and ".join(_alg_name(certificate.alg_of(root)) for root in sorted(roots, key=certificate.alg_of))


def classical(order: Order) -> str | None:
    """What a quantum computer will open of today's recordings, and through which keys; None if nothing.

    A lane has one key for all its readers, so the weakest reader decides.
    """
    keys = classical_keys(order)
    stations = [key for key in keys if isinstance(key, OrderStation)]
    reads = ((Role.TELEMETRY, "telemetry"), (Role.VIDEO, "video"), (Role.COMMAND, "commands"))
    lanes = [word for role, word in reads if any(station.roles & role for station in stations)]
    lanes += ["orders"] * bool(stations) + ["recordings on board"] * (len(keys) > len(stations))
    if not keys:
        return None
    names = ", ".join(f"{key.name} ({key.profile.label})" for key in keys)
    return (
        f"not post-quantum: a quantum computer will open today's {_listed(lanes)}, for all readers, by the keys of {names}"
    )


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def systems(device: OrderDevice) -> str:
    """Which MAVLink system ids are this device's, or that it is void."""
    if device.void:
        return "REVOKED: no station believes its key"
    if not device.systems:
        return "no system ids listed"
    return f"system id{'s' if len(device.systems) > 1 else ''} {', '.join(map(str, device.systems))}"


def unlisted(order: Order) -> str | None:
    """The warning about aircraft without system ids; None if there are fewer than two of them."""
    names = [device.name for device in order.devices if not device.void and not device.systems]
    if len(names) <= 1:
        return None
    return (
        f"no system ids are listed for {_listed(names)}: each keeps the first one that a station receives from it, and the"
        " first sender can be a thief"
    )


# --- the parts ---


def _head(order: Order, now: int | None, when: Times) -> Iterator[str]:
    yield f"ORDER for operation {order.operation!r} of {order.agency!r}"
    dates = f"from {when(order.not_before)} to {when(order.not_after)}"
    yield f"  valid           {dates}: {duration(order.not_after - order.not_before)}"
    if now is not None:
        yield f"  now             {standing(order, now)}"
    yield f"  classification  {order.classification}"


def _devices(order: Order) -> Iterator[str]:
    yield f"AIRCRAFT that may fly it: {sum(not device.void for device in order.devices)}"
    for index, device in enumerate(order.devices):
        yield f"  {index:2}  {device.name}, {systems(device)}, key {fingerprint(device.pub)} ({_alg_name(device.alg)})"
    if without := unlisted(order):
        yield f"  {without}"


def _stations(order: Order) -> Iterator[str]:
    yield f"STATIONS that may open what it sends: {len(order.stations)}"
    for station in order.stations:
        yield f"  {station.index:2}  {station.name}, of {station.agency or order.agency}"
        yield f"{_INDENT}{_may(station)}"
        yield f"{_INDENT}key {fingerprint(station.pub)} ({station.profile.label})"
        if station.witness:
            yield f"{_INDENT}signs as witness with {station.witness}"
    if weak := classical(order):
        yield f"  {weak}"


def _may(station: OrderStation) -> str:
    sees = [word for role, word in ((Role.TELEMETRY, "telemetry"), (Role.VIDEO, "video")) if station.roles & role]
    words = [f"sees {' and '.join(sees) or 'neither telemetry nor video'}"]
    command = (
        f"may command the aircraft (guard policy: {station.guard})" if station.roles & Role.COMMAND else "may not command"
    )
    words.append(command)
    if station.roles & Role.WITNESS:
        words.append("witnesses the evidence log")
    if station.roles & Role.CONTROL:
        words.append("may send a new order to the aircraft")
    return ", ".join(words)


def _recording(order: Order) -> Iterator[str]:
    if not order.recording:
        yield "RECORDINGS: nothing is recorded on board, the order holds no recording key"
        return
    yield f"RECORDINGS on board are sealed to: {len(order.recording)}"
    for key in order.recording:
        yield f"  {key.id:2}  {key.name}, key {fingerprint(key.pub)} ({key.profile.label})"
    if order.policy.flags & PolicyFlag.VIDEO_ON_REQUEST:
        yield f"{_INDENT}video is recorded only while a station asks for it"
    hours = order.policy.retain_h
    yield f"      they may be removed after {duration(hours * HOUR_S)}" if hours else "      they are never removed"


def _policy(policy: Policy) -> Iterator[str]:
    yield "LIMITS"
    yield f"  starts          {policy.max_boots or 'no limit'}"
    yield f"  time in flight  {duration(policy.max_hours * HOUR_S) if policy.max_hours else 'no limit'}"
    yield f"  traffic keys    new ones every {duration(policy.rekey_s)}, announced every {duration(policy.announce_s)}"
    yield f"  commands        refused when older than {policy.fresh_ms} ms"
    sizes = ", ".join(map(str, policy.pad))
    video = "and video" if policy.flags & PolicyFlag.PAD_VIDEO else "but not video"
    yield f"  padding         telemetry {video}, to {sizes} bytes" if sizes else "  padding         none"


def _reference(order: Order) -> Iterator[str]:
    yield "REFERENCE"
    yield f"  serial          {order.serial} of this agency"
    yield f"  operation tag   {op_tag(order.op_id).hex()}"
    yield f"  fingerprint     {groups(order.hash())}"
    if order.guards:
        yield f"  guard policies  of a file whose SHA-256 begins with {groups(order.guards)}"
    if order.previous:
        yield f"  replaces        the order with fingerprint {groups(order.previous)}"


def _signatures(order: Order | VerifiedOrder, claimed: Sequence[int]) -> Iterator[str]:
    if isinstance(order, VerifiedOrder):
        yield f"VERIFIED: {signed_by(order)}"
        if large := too_large(order.raw):
            yield f"It is {large}."
    else:
        yield "NOT VERIFIED: anyone can write a file that reads like this one."
        if claimed:
            yield f"It carries what claims to be signatures of {' and '.join(map(_alg_name, claimed))}."
        yield "To know who signed it: zegel order verify op.order --root root.crt"


def _alg_name(alg: int) -> str:
    return Alg(alg).label if alg in set(Alg) else f"algorithm {alg}"
