"""The agency's folder: its keys are in two folders, because they are kept in different places. CUSTODY.md.

    root/     root.key    P-384; certifies devices and the signer, and is otherwise offline
              root.crt    its certificate, which every device and station trusts
              state.json  `RootState`, with a copy
    signer/   signer.key  P-384; signs orders                signer.crt   its certificate, by the root
              root.crt    a copy                             state.json   `SignerState`, with a copy

A hybrid agency also has an ML-DSA-65 key in each folder, root-ml-dsa.key and signer-ml-dsa.key, whose certificates follow
the P-384 ones in root.crt and signer.crt. Orders are signed with both. Devices are certified by the P-384 root: a device
key is classical too, so a second signature on its certificate would add no protection.

Each command needs one of the two folders: the root to certify a device or a new signer, the signer to issue an order.
"""

from __future__ import annotations

import dataclasses
import os
import secrets
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, mldsa

from keys import certificate, cose, order_limits
from keys.certificate import Issuer, RootKey, Roots, Usage, alg_of, der
from keys.cose import Alg, Signer
from keys.errors import (
    ClassicalKey,
    ClockWrong,
    ExpiredCertificate,
    FolderError,
    ForeignRoot,
    MalformedOrder,
    MissingFile,
    NumberTwice,
    OlderOrder,
    WrongFile,
)
from keys.folders import private_key, roots, state, store
from keys.folders.signer_state import Begun, Rank, SignerState
from keys.folders.state import Count
from keys.order import OP_ID_SIZE, Order, VerifiedOrder, claimed_hash, issue_order, verify_order
from keys.order_device import OrderDevice
from keys.times import utc

ROOT, SIGNER = "root", "signer"
ROOT_CERTIFICATE, SIGNER_CERTIFICATE = "root.crt", "signer.crt"


def key_file(half: str, alg: Alg) -> str:
    """The path of the private key of this algorithm in a half of the folder."""
    return f"{half}-ml-dsa.key" if alg is Alg.ML_DSA_65 else f"{half}.key"


def _new_key(alg: Alg) -> RootKey:
    return mldsa.MLDSA65PrivateKey.generate() if alg is Alg.ML_DSA_65 else ec.generate_private_key(ec.SECP384R1())


class RootState(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    generation: Count = 0  # of the newest signer


@dataclasses.dataclass(frozen=True, slots=True)
class Known:
    """What a folder tells without its keys."""

    roots: Roots
    has_root: bool
    signers: Sequence[x509.Certificate]  # of the present signer; none if signer/ is away
    serial: int  # of the newest order
    operations: int


class AgencyFolder:
    """Nothing is read before a command needs it, because the other half may be stored elsewhere."""

    def __init__(self, path: Path, option: str = "") -> None:
        """`option` is the command-line option that names the folder, if there is one: "--agency DIR"."""
        self._root, self._signer, self._option = path / ROOT, path / SIGNER, option

    @classmethod
    def init(cls, path: Path, name: str, now: int, *, hybrid: bool = False) -> Roots:
        """Make all keys; the certificates of the roots are returned. BadName, AlreadyExists."""
        keys = {alg: _new_key(alg) for alg in (Alg.ESP384, Alg.ML_DSA_65)[: 1 + hybrid]}
        made = tuple(certificate.issue_root(name, key, now) for key in keys.values())
        with store.new_folder(path) as folder:
            (folder / ROOT).mkdir(store.FOLDER_MODE)
            _write_certificates(folder / ROOT / ROOT_CERTIFICATE, made)
            for alg, key in keys.items():
                private_key.write(folder / ROOT / key_file(ROOT, alg), key)
            state.write(folder / ROOT, RootState())
            cls(folder).new_signer(now)
        return made

    def known(self) -> Known:
        """By whichever half is here; MissingFile if none is."""
        if not self._signer.exists():
            self._require(self._root, "neither is the signer's")
            return Known(roots.of_agency(self._root / ROOT_CERTIFICATE), True, (), 0, 0)
        state_ = self._read_state()
        return Known(self.roots, self._root.exists(), self._signer_certificates(), state_.serial, len(state_.operations))

    # --- with the root ---

    def certify_device(self, request: bytes, now: int) -> x509.Certificate:
        """The certificate that a device asks for (PKCS #10, PEM).

        MissingFile if the root is offline; WrongUsage; ClockWrong.
        """
        return certificate.certify_device(self._issuers(now)[Alg.ESP384], certificate.load_request(request), now)

    def new_signer(self, now: int) -> Roots:
        """Make new signer's keys, of the next generation. Serials continue; if signer/ was lost, they begin again.

        Devices compare the generation before the serial, so they accept its first order and then none of an earlier signer.
        The signer's certificates are returned, one of each root. ClockWrong before anything is changed.
        """
        issuers = self._issuers(now)
        with store.FolderLock(self._root, wait=True):
            known, _ = state.read(self._root, RootState)
            if known is None:
                raise _lost(self._root, "generation", "the newest signer, which zegel order verify tells")
            known.generation += 1
            state.write(self._root, known)
        keys = {alg: _new_key(alg) for alg in issuers}
        made = tuple(
            certificate.issue_signer(issuers[alg], key.public_key(), known.generation, now) for alg, key in keys.items()
        )
        if not self._signer.exists():
            with store.new_folder(self._signer) as folder:
                _write_certificates(folder / ROOT_CERTIFICATE, tuple(issuer.certificate for issuer in issuers.values()))
                state.write(folder, SignerState())
        for alg, key in keys.items():
            file = self._signer / key_file(SIGNER, alg)
            if file.exists():
                store.wipe(file)
            private_key.write(file, key)
        _write_certificates(self._signer / SIGNER_CERTIFICATE, made)
        return made

    def _issuers(self, now: int) -> dict[Alg, Issuer]:
        self._require(self._root, "the root key certifies devices and signers")
        known = roots.of_agency(self._root / ROOT_CERTIFICATE)
        _require_clock("its root", known, now)
        return {alg_of(root): Issuer(root, _key(self._root, ROOT, alg_of(root))) for root in known}

    # --- with the signer ---

    @property
    def name(self) -> str:
        return certificate.name_of(self.roots[0])

    @property
    def roots(self) -> Roots:
        self._require(self._signer, "the signer's key signs orders")
        return roots.of_agency(self._signer / ROOT_CERTIFICATE)

    def require_clock(self, now: int) -> None:
        """ClockWrong if it is earlier than the signer's certificate; otherwise the error would name the certificate."""
        self._require(self._signer, "the signer's key signs orders")
        _require_clock("its signer", self._signer_certificates(), now)

    def device(self, issued: x509.Certificate, at: int) -> OrderDevice:
        """A device as an order lists it; ForeignRoot, WrongUsage, ExpiredCertificate."""
        try:
            certificate.validate(issued, self.roots, Usage.DEVICE, at)
        except ForeignRoot:
            raise ForeignRoot(
                f"the certificate of {certificate.name_of(issued)!r} was not issued by {self.name!r}",
                hint="certify the device here: zegel agency certify-device AGENCY device.csr -o device.crt",
            ) from None
        return OrderDevice.of(issued)

    def issue(self, draft: Order) -> VerifiedOrder:
        """`draft` as the first order of an operation. MalformedOrder and what signers raise."""
        issued = self._sign(dataclasses.replace(draft, op_id=secrets.token_bytes(OP_ID_SIZE)))
        self.published(issued)
        return issued

    def hold(self) -> store.Lock:
        """While it is held no other command amends an order: two that run at once would both amend the same one."""
        self._require(self._signer, "the signer's key signs orders")
        return store.Lock(self._signer / ROOT_CERTIFICATE, wait=True)

    def amend(self, data: bytes, change: Callable[[Order], Order], output: Path) -> VerifiedOrder:
        """The order that replaces the one in `data`; call `published` after it is written to `output`, and `hold` before.

        OlderOrder if that is not the newest of its operation, or nothing here says that it is: a station or aircraft that
        was revoked in between would be listed again. NumberTwice if it is an order of this signer that this folder did not
        issue.
        """
        old = verify_order(data, self.roots, 0)
        self._require_issued_here(old)
        self._require_known(old)
        newest = self._read_state().operations.get(old.content.op_id.hex(), old.rank)
        if old.rank < newest:
            raise OlderOrder(
                f"the order is number {old.content.serial}, and number {newest[1]} of its operation was issued after it",
                hint="amend the newest order: a revoked station or aircraft could be listed again",
            )
        begin = max(old.content.not_before, _begin(self._signer_certificates()))
        new = change(dataclasses.replace(old.content, not_before=begin, previous=old.order_hash))
        return self._sign(new, (old, output))

    def _require_issued_here(self, old: VerifiedOrder) -> None:
        """By the records of this folder."""
        known = self._read_state()
        generation = certificate.generation(self._signer_certificates()[0])
        number, remembered = old.content.serial, min(map(int, known.issued), default=known.serial + 1)
        by_another = number > known.serial or (
            number >= remembered and known.issued.get(str(number)) != old.order_hash.hex()
        )
        if old.generation > generation or (old.generation == generation and by_another):
            raise NumberTwice(
                f"order number {old.content.serial} is by signer {old.generation}, and {self._signer} has not issued it",
                hint="two copies of signer/ are in use, or this one is old: CUSTODY.md says what to do then",
            )

    def _require_known(self, old: VerifiedOrder) -> None:
        """A folder that was restored or made again does not know which order of an operation is the newest."""
        known, number = self._read_state(), old.content.serial
        issued_here = known.issued.get(str(number)) == old.order_hash.hex()
        said_to_be = old.rank in self._said_to_be_newest(known)
        if not (old.content.op_id.hex() in known.operations or issued_here or said_to_be):
            raise OlderOrder(
                f"{self._signer} does not know the operation of order {number} by signer {old.generation}, or whether one"
                " was issued after it",
                hint="a revoked station or aircraft could be listed again; CUSTODY.md says how to name the newest order",
            )

    def _said_to_be_newest(self, known: SignerState) -> list[Rank]:
        """A folder that has a number and no order was restored: the number is that of this signer's newest order.

        Another signer may have counted from 1 too, so a number alone does not identify its order.
        """
        if known.issued or not known.serial:
            return known.newest
        return [*known.newest, (certificate.generation(self._signer_certificates()[0]), known.serial)]

    def published(self, issued: VerifiedOrder) -> None:
        """Record that this is the newest order of its operation. Another command that was interrupted stays noted."""
        with store.FolderLock(self._signer, wait=True):
            known = self._read_state()
            known.note_newest(issued.content.op_id.hex(), issued.rank)
            if known.begun and known.begun.rank == issued.rank:
                known.begun = None
            state.write(self._signer, known)

    @property
    def interrupted(self) -> Path | None:
        """Where a command was to write its order that did not record that it has."""
        begun = self._read_state().begun
        return Path(begun.output) if begun else None

    def record_interrupted(self, written: bytes) -> None:
        """Record that order, if this is it: the one before it must not be amended again."""
        with store.FolderLock(self._signer, wait=True):
            known, found = self._read_state(), claimed_hash(written)
            if known.begun and found and found.hex() == known.issued.get(str(known.begun.rank[1])):
                known.note_newest(known.begun.operation, known.begun.rank)
                known.begun = None
                state.write(self._signer, known)

    def _sign(self, order: Order, amended: tuple[VerifiedOrder, Path] | None = None) -> VerifiedOrder:
        """`order` with the next serial, signed, and verified in the way that a device will.

        `amended`: the order that it replaces, and where the new one is to be written.
        """
        order_limits.require_possible(order)
        signed_by = self._signer_certificates()
        begin = _begin(signed_by)
        if order.not_before < begin:
            raise ExpiredCertificate(
                f"the order begins at {utc(order.not_before)}, and the signer's certificate at {utc(begin)}",
                hint="begin the order later",
            )
        end = min(int(signer.not_valid_after_utc.timestamp()) for signer in signed_by)
        if order.not_after > end:
            raise ExpiredCertificate(
                f"the signer's certificate ends at {utc(end)}, before the order does",
                hint="issue it for less time; CUSTODY.md says how a signer is replaced",
            )
        signers = [Signer(_key(self._signer, SIGNER, alg_of(signer)), (der(signer),)) for signer in signed_by]
        order = self._numbered(order, amended)
        try:
            return verify_order(issue_order(order, signers), self.roots, order.not_before)
        except MalformedOrder as error:
            cure = f"; {error.hint}" if isinstance(error, ClassicalKey) else ""
            raise MalformedOrder(str(error), hint=f"nothing was written: change the command{cure}") from None

    def _numbered(self, order: Order, amended: tuple[VerifiedOrder, Path] | None) -> Order:
        """With the next serial, stored before it is used: a gap does no harm, but a repeated serial would.

        The statements about a restored folder are kept in the same write, because the order of this number may fail. If an
        order is amended, its operation is known from here on.
        """
        with store.FolderLock(self._signer, wait=True):
            known = self._read_state()
            known.newest = self._said_to_be_newest(known)
            known.serial += 1
            if amended:
                old, output = amended
                known.newest = [rank for rank in known.newest if rank != old.rank]
                known.note_newest(old.content.op_id.hex(), old.rank)
                rank = certificate.generation(self._signer_certificates()[0]), known.serial
                known.begun = Begun(operation=old.content.op_id.hex(), rank=rank, output=str(output.absolute()))
            order = dataclasses.replace(order, serial=known.serial)
            known.note_issued(order.hash())
            state.write(self._signer, known)
        return order

    def _require(self, half: Path, why: str) -> None:
        try:
            store.check_folder(half)
        except MissingFile:
            raise MissingFile(f"{half} does not exist, and {why}", hint=self._cure(half)) from None

    def _cure(self, half: Path) -> str:
        path = half.parent
        as_option = f", by {self._option}" if self._option else ""
        if not (path / ROOT).exists() and not (path / SIGNER).exists():
            near = _near(path)
            return f"name the agency's folder{as_option}: {near or 'the one that zegel agency init made'}"
        return f"bring that folder back as {half}" + (f", or name another agency's folder{as_option}" if as_option else "")

    def _read_state(self) -> SignerState:
        known, _ = state.read(self._signer, SignerState)
        if known is None:
            raise _lost(self._signer, "serial", "the newest order, which zegel order show tells")
        return known

    def _signer_certificates(self) -> list[x509.Certificate]:
        return roots.certificates(store.read_public(self._signer / SIGNER_CERTIFICATE))


def _write_certificates(path: Path, certificates: Roots) -> None:
    store.write(path, b"".join(map(certificate.pem, certificates)), store.PUBLIC_MODE)


def _near(path: Path) -> str:
    """The agency's folder, if it is one or two levels above `path`: a person may have named signer/, or a file in it."""
    above = [os.path.normpath(path / up) for up in ("..", "../..")]
    kept = (f"{ROOT}/{ROOT_CERTIFICATE}", f"{SIGNER}/{SIGNER_CERTIFICATE}")
    # os.path.exists and not Path.exists: two levels above may be a folder that this user may not enter
    return next((folder for folder in above if any(os.path.exists(f"{folder}/{file}") for file in kept)), "")  # noqa: PTH110


def _begin(issued: Iterable[x509.Certificate]) -> int:
    """The first second in which all of them are valid."""
    return max(int(each.not_valid_before_utc.timestamp()) for each in issued)


def _require_clock(whose: str, issued: Iterable[x509.Certificate], now: int) -> None:
    begin = _begin(issued)
    if now < begin:
        raise ClockWrong(
            f"this computer's clock says {utc(now)}, and the agency made {whose} at {utc(begin)}",
            hint=f"set the clock of this computer; if it is right, it was wrong on that day: wait until {utc(begin)}",
        )


def _lost(half: Path, number: str, of: str) -> FolderError:
    return FolderError(
        f"{half / state.NAME} and its copy are damaged or gone",
        hint=f'write {{"{number}": N}} there, mode 0600; N is the {number} of {of}',
    )


def _key(folder: Path, half: str, alg: Alg) -> RootKey:
    path = folder / key_file(half, alg)
    key = private_key.read(path)
    if cose.algorithm(key) is not alg or not isinstance(key, RootKey):
        raise WrongFile(
            f"{path} is not an agency's key", hint="an agency's keys are P-384 and ML-DSA-65; restore it from its copy"
        )
    return key
