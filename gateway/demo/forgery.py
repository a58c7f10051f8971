"""The demo's forgers: each has broken one of the two kinds of key of a hybrid agency, and lists a stranger in an order.

The broken key is taken from the agency's own folder: one signer's private key. The other one is not used.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from gateway.demo.ledger import Ledger
from gateway.demo.shell import Shell
from keys import amendment, certificate
from keys.cose import Alg, Signer
from keys.folders import private_key, roots, station_public
from keys.folders.agency import SIGNER, SIGNER_CERTIFICATE, key_file
from keys.lanes import Role
from keys.order import issue_order, parse_order
from keys.order_station import OrderStation

FORGED = "forged.order"


def try_both(here: Path, shell: Shell, ledger: Ledger, stranger: str) -> None:
    """Offer the aircraft an order for the stranger with either signature alone. `here` is the demo's folder."""
    for broken, missing in ((Alg.ESP384, Alg.ML_DSA_65), (Alg.ML_DSA_65, Alg.ESP384)):
        (here / FORGED).write_bytes(forged(here / "agency", here / "op.order", here / stranger / "station.pub", broken))
        said = shell.refusal("device", "load-order", here / "drone-7", here / FORGED)
        ledger.expect(
            f"an order for the stranger with the {broken.label} signature alone was refused",
            f"lacks the {missing.label} signature" in said,
        )


def forged(agency: Path, order: Path, stranger: Path, broken: Alg) -> bytes:
    """The order with a higher number and the stranger in it, and the one signature that can be forged."""
    public = station_public.parse(stranger.read_bytes(), stranger)
    roles = Role.TELEMETRY | Role.VIDEO | Role.COMMAND
    listed = OrderStation(0, public.name, public.profile, public.pub, roles, "maintainer", public.agency)
    known = parse_order(order.read_bytes())
    content = dataclasses.replace(amendment.joined(known, [listed]), serial=known.serial + 1, previous=known.hash())
    certificates = roots.certificates((agency / SIGNER / SIGNER_CERTIFICATE).read_bytes())
    signer = next(each for each in certificates if certificate.alg_of(each) is broken)
    key = private_key.read(agency / SIGNER / key_file(SIGNER, broken))
    return issue_order(content, [Signer(key, (certificate.der(signer),))])
