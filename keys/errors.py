"""The errors of keys, orders and folders. Each says what is wrong in its message and what to do in its hint.

KeysError                          exit 1
 +-- MalformedMessage              CBOR or COSE that is not of its one form
 |    +-- MalformedOrder           an order whose content breaks a rule
 |         +-- UnknownGuard        a guard policy that no aircraft has
 |         +-- ClassicalKey        a confidential order to a key that is not post-quantum
 +-- WrongType                     a COSE message of another kind or algorithm
 +-- BadName                       a name that cannot be shown unchanged
 +-- WrongToml                     a .toml file that asks for something that cannot be       exit 2
 +-- WrongGuardFile                guard.toml is not the order's, or has no such policy      exit 2
 +-- GrantError                    a key or a grant that does not fit its profile or its commitments
 +-- ClockWrong                    the board's clock cannot be believed                         exit 6
 +-- Untrusted                     exit 5
 |    +-- BadSignature
 |    +-- CertificateError         bytes that are not a certificate of ours
 |         +-- ForeignRoot         issued by a root that is not pinned here
 |         +-- WrongUsage          made for another purpose
 |         +-- ExpiredCertificate
 +-- OrderError
 |    +-- OrderExpired             exit 3
 |    +-- OrderNotYetValid         exit 3
 |    +-- OlderOrder               a newer one was loaded before                                exit 7
 |    +-- NumberTwice              two orders of one number: an agency's signer is in use twice  exit 7
 |    +-- RevokedAgain             it lists a revoked aircraft as not revoked                    exit 7
 |    +-- NotListed                this device or station is not in the order
 |    +-- DeviceRevoked            this device is listed, and its key is void
 |    +-- NoOrder                  none is loaded
 +-- FolderError                   a folder of keys, or a file in it
      +-- MissingFile
      +-- Denied                  this user may not read it, or write there
      +-- WrongMode                others may read it
      +-- WrongFile                not the kind of file that is expected there
      +-- AlreadyExists            a key or an order is never overwritten
      +-- FolderInUse              another process holds its lock                               exit 8

Exit codes below 5 have the meaning of gateway/errors.py.
"""

from __future__ import annotations


class KeysError(Exception):
    """Base of the tree. `advice` is the hint of a leaf that is raised without one.

    `passing`: the same bytes may be accepted later, because a clock or a disk is the reason, and not their content.
    """

    exit_code = 1
    advice = ""
    passing = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint or self.advice


class MalformedMessage(KeysError):
    advice = "the file may have been damaged on its way: fetch it again"


class MalformedOrder(MalformedMessage):
    advice = "ask the agency for a new order"


class UnknownGuard(MalformedOrder):
    advice = "the guard policies are observer, camera-operator, pilot, maintainer: ask the agency for an order with those"


class ClassicalKey(MalformedOrder):
    advice = "make that key again as zegel station init and zegel recording keygen do by default, with --profile x-wing"


class WrongType(KeysError):
    advice = "it may be the wrong file: zegel order show FILE reads an order"


class BadName(KeysError):
    advice = "a name has 1 to 64 bytes of printable text"


class WrongToml(KeysError):
    exit_code = 2


class WrongGuardFile(KeysError):
    exit_code = 2


class GrantError(KeysError):
    pass


class ClockWrong(KeysError):
    exit_code = 6
    passing = True
    advice = "set the clock of this computer, then try again"


# --- trust ---


class Untrusted(KeysError):
    exit_code = 5


class BadSignature(Untrusted):
    advice = "it was changed after it was signed, or signed with another key: fetch it again from where it was made"


class CertificateError(Untrusted):
    advice = "fetch it again from the key custodian of the agency"


class ForeignRoot(CertificateError):
    advice = "if you know this agency, fetch its root.crt from its key custodian and compare the fingerprint"


class WrongUsage(CertificateError):
    advice = "use the certificate and the key that were made for this"


class ExpiredCertificate(CertificateError):
    passing = True
    advice = "the agency must sign with a certificate that is still valid"


# --- orders ---


class OrderError(KeysError):
    pass


class OrderExpired(OrderError):
    exit_code = 3
    passing = True
    advice = "ask the agency for a new order"


class OrderNotYetValid(OrderError):
    exit_code = 3
    passing = True
    advice = "wait until it begins, or check the clock of this computer"


class OlderOrder(OrderError):
    exit_code = 7
    advice = "use the newest order of the agency"


class NumberTwice(OrderError):
    exit_code = 7
    advice = "tell the agency: two copies of signer/ sign orders, or an older copy does; CUSTODY.md says what to do then"


class RevokedAgain(OrderError):
    exit_code = 7
    advice = "ask the agency to amend the newest order of the operation; CUSTODY.md says what to do with a restored signer/"


class NotListed(OrderError):
    advice = "ask the agency for an order that lists it"


class DeviceRevoked(OrderError):
    advice = "if this is the aircraft and not its thief, make a new folder for it: zegel device init NEWDIR --name NAME"


class NoOrder(OrderError):
    advice = "load one: zegel device load-order DIR op.order"


# --- folders ---


class FolderError(KeysError):
    passing = True


class MissingFile(FolderError):
    pass


class Denied(FolderError):
    pass


class WrongMode(FolderError):
    pass


class WrongFile(FolderError):
    pass


class AlreadyExists(FolderError):
    advice = "choose another name, or move the old one away if it is no longer needed"


class FolderInUse(FolderError):
    exit_code = 8
    advice = "end the other zegel process first"
