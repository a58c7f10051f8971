"""`zegel order`: read and verify operation orders; issue.py and amend.py have the commands that sign.

What lives here: arguments and sentences. What must not: a rule about keys, orders or files.
"""

from __future__ import annotations

import argparse
import itertools
import time
from pathlib import Path

from keys import amendment, cose, order_text
from keys.commands import amend, arguments, issue
from keys.commands.terminal import show
from keys.folders import files, roots
from keys.folders.files import Kind
from keys.order import parse_order, verify_order


def order(parser: argparse.ArgumentParser) -> None:
    """issue, read and verify operation orders"""
    add = arguments.commands(parser)
    issue.add_commands(add)
    amend.add_commands(add)
    read = add("show", _show, "explain in words what an order allows; needs no key", "op.order")
    read.add_argument("order", type=Path, metavar="op.order")
    verify = add("verify", _verify, "check who signed an order, and that it has not ended", "op.order --root root.crt")
    verify.add_argument(
        "orders", nargs="+", type=Path, metavar="op.order", help="for several, also whether one signer made them"
    )
    arguments.add_root(verify)
    for public in (read, verify):
        public.set_defaults(holds_key=False)


def _show(args: argparse.Namespace) -> int:
    data, now = files.read(Kind.ORDER, args.order), arguments.believable_now()
    claimed = [signature.alg for signature in cose.parse_sign(data).signatures]
    show(order_text.describe(parse_order(data), claimed, now=now, when=arguments.when))
    if now is None:
        show(f"This computer's clock says {arguments.when(int(time.time()))}, which cannot be.")
    if large := order_text.too_large(data):
        show(f"It is {large}.")
    return 0


def _verify(args: argparse.Namespace) -> int:
    now, of_agency = arguments.now(), roots.of_agency(args.root)
    found = [verify_order(files.read(Kind.ORDER, path), of_agency, 0) for path in args.orders]
    for known, new in itertools.permutations(found, 2):
        amendment.require_one_signer(new, known)
    for path, verified in zip(args.orders, found, strict=True):
        verified.content.require_not_expired(now)
        order, begins = verified.content, ""
        if order.not_before > now:
            begins = f"begins at {arguments.when(order.not_before)}, "
        dates = f"{begins}ends at {arguments.when(order.not_after)}: {order_text.standing(order, now)}"
        show(f"{path}: good, {order_text.signed_by(verified)}; {dates}")
    return 0
