"""The library of firmware images: files that people upload, with what they are for.

An image is kept until a person takes it out. A signature is checked against the file when it is
added, so that a wrong one is found here and not at the first station.
"""

import dataclasses
import unicodedata
from collections.abc import AsyncIterator, Callable, Mapping

from sitecontroller.domain.commands import Command, CommandResult, CommandState
from sitecontroller.domain.errors import Conflict, FieldError, InvalidInput, NotFound
from sitecontroller.domain.files import clean_name
from sitecontroller.domain.firmware import (
    FirmwareImage,
    FirmwareImagesQuery,
    ImageTerms,
    RemoveFirmware,
    SignFirmware,
)
from sitecontroller.domain.ids import new_ulid
from sitecontroller.domain.queries import Query
from sitecontroller.domain.views import Page
from sitecontroller.services.desk import Answerer, Desk, Handler
from sitecontroller.services.shelf import Shelf
from sitecontroller.services.signatures import (
    CERTIFICATE_CHARACTERS_MAX,
    SIGNATURE_CHARACTERS_MAX,
    signature_fault,
)
from sitecontroller.services.transfers import Transfers

MEBIBYTE = 1024 * 1024
TEXT_CHARACTERS_MAX = 50
"""Of a vendor, a model or a version, as OCPP has them."""
NOTES_CHARACTERS_MAX = 2000
IMAGES_MAX = 1000


class FirmwareLibrary:
    """Images by key."""

    def __init__(self, desk: Desk, transfers: Transfers) -> None:
        self._desk = desk
        self._transfers = transfers
        self._shelf = Shelf(desk.store, "firmware-image", FirmwareImage)
        self._images: dict[str, FirmwareImage] = {}
        self.in_use: Callable[[str], bool] = lambda key: False
        """Whether a job or a roll-out still needs an image."""
        self.handlers: Mapping[type[Command], Handler] = {
            SignFirmware: self._sign,
            RemoveFirmware: self._remove,
        }
        self.answerers: Mapping[type[Query], Answerer] = {FirmwareImagesQuery: self._page}

    async def load(self) -> None:
        """Take up the images."""
        self._images = {image.key: image for image in await self._shelf.all()}

    async def open(self) -> None:
        """Files without an image are what a crash left."""
        known = {image_name(key) for key in self._images}
        for name in await self._transfers.server.names():
            if name.startswith("firmware-") and name not in known:
                await self._transfers.server.remove(name)

    def get(self, key: str) -> FirmwareImage:
        """One image. Raises NotFound."""
        image = self._images.get(key)
        if image is None:
            raise NotFound("no firmware has this key", remedy="GET /v1/firmware lists them")
        return image

    async def add(self, terms: ImageTerms, chunks: AsyncIterator[bytes]) -> FirmwareImage:
        """Take an image in. Raises InvalidInput, Conflict (it is here already), OperatingError."""
        _check(terms)
        if len(self._images) >= IMAGES_MAX:
            raise Conflict(f"{IMAGES_MAX} images are kept already", remedy="Remove old ones")
        now = self._desk.clock.now()
        key = new_ulid(now)
        size_max_bytes = self._desk.config.files.firmware_mb_max * MEBIBYTE
        stored = await self._transfers.server.keep(image_name(key), chunks, size_max_bytes)
        image = FirmwareImage(
            key=key,
            vendor=terms.vendor.strip(),
            model=terms.model.strip(),
            version=terms.version.strip(),
            file_name=clean_name(terms.file_name, "firmware.bin"),
            size_bytes=stored.size_bytes,
            sha256=stored.sha256,
            md5=stored.md5,
            added_at=now,
            notes=terms.notes,
        )
        try:
            self._check_new(image)
            await self._shelf.put(key, image, now)
        except BaseException:
            await self._transfers.server.remove(image_name(key))
            raise
        self._images[key] = image
        return image

    def _check_new(self, image: FirmwareImage) -> None:
        if image.size_bytes == 0:
            raise InvalidInput(
                "the file is empty",
                remedy="Send the file as the request's body",
                errors=(FieldError("body", "is empty"),),
            )
        for known in self._images.values():
            if _identity(known) == _identity(image):
                raise Conflict(f"this file is here already, as {known.key}", remedy="Use that one")

    async def _sign(self, command: SignFirmware, command_id: str) -> CommandResult:
        image = self.get(command.image_key)
        certificate, signature = command.signing_certificate.strip(), command.signature.strip()
        for name, text, most in (
            ("signing_certificate", certificate, CERTIFICATE_CHARACTERS_MAX),
            ("signature", signature, SIGNATURE_CHARACTERS_MAX),
        ):
            if not 1 <= len(text) <= most:
                raise _refusal(name, f"has {len(text)} characters; stations take {most}")
        path = self._transfers.server.path(image_name(image.key))
        fault = await self._desk.workshop.run(
            signature_fault, path, signature, certificate, self._desk.clock.now()
        )
        if fault is not None:
            raise _refusal("signature", fault)
        signed = dataclasses.replace(image, signature=signature, signing_certificate=certificate)
        await self._shelf.put(image.key, signed, image.added_at)
        self._images[image.key] = signed
        return CommandResult(command_id, CommandState.EFFECTIVE)

    async def _remove(self, command: RemoveFirmware, command_id: str) -> CommandResult:
        image = self.get(command.image_key)
        if self.in_use(image.key):
            raise Conflict(
                "chargers are still being updated with this firmware",
                remedy="Wait for them, or abort the roll-out",
            )
        await self._shelf.drop(image.key)
        self._images.pop(image.key, None)
        await self._transfers.server.remove(image_name(image.key))
        return CommandResult(command_id, CommandState.EFFECTIVE)

    async def file(self, key: str) -> tuple[FirmwareImage, AsyncIterator[bytes]]:
        """An image's file. Raises NotFound."""
        image = self.get(key)
        return image, self._transfers.server.read(image_name(key))

    async def _page(self, query: FirmwareImagesQuery) -> Page[FirmwareImage]:
        return await self._shelf.page(query.limit, query.cursor)


def image_name(key: str) -> str:
    """An image's file in the depot."""
    return f"firmware-{key}"


def _identity(image: FirmwareImage) -> tuple[str, ...]:
    return (image.vendor.casefold(), image.model.casefold(), image.version, image.sha256)


def _check(terms: ImageTerms) -> None:
    errors = []
    for name, text, most in (
        ("vendor", terms.vendor, TEXT_CHARACTERS_MAX),
        ("model", terms.model, TEXT_CHARACTERS_MAX),
        ("version", terms.version, TEXT_CHARACTERS_MAX),
        ("notes", terms.notes, NOTES_CHARACTERS_MAX),
    ):
        if name != "notes" and not text.strip():
            errors.append(FieldError(name, "is empty"))
        elif len(text) > most:
            errors.append(FieldError(name, f"is longer than {most} characters"))
        elif any(unicodedata.category(c) in ("Cc", "Cs", "Cf") for c in text if c != "\n"):
            errors.append(FieldError(name, "has signs that can't be shown"))
    if errors:
        raise InvalidInput(
            "; ".join(f"{error.field} {error.message}" for error in errors),
            remedy="Write vendor and model as the charger tells them; * stands for anything",
            errors=tuple(errors),
        )


def _refusal(name: str, message: str) -> InvalidInput:
    return InvalidInput(
        f"{name}: {message}",
        remedy="Take the signature and the certificate that the maker gives with this very file",
        errors=(FieldError(name, message),),
    )
