"""TLS of the node (PS3.15 B.9): version 1.2 or newer, and certificates on both sides where an authority is given."""

from __future__ import annotations

import ssl

from photopeak.core import PhotopeakError
from photopeak.room.settings import Settings


def listening(settings: Settings) -> ssl.SSLContext | None:
    """How callers are met; none where the node has no certificate."""
    if settings.dicom_tls_certificate is None:
        return None
    context = _context(settings, ssl.Purpose.CLIENT_AUTH)
    if settings.dicom_tls_authority is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def calling(settings: Settings) -> ssl.SSLContext:
    """How a destination is called: its certificate must be of the authority, or of the system's, and for its host."""
    return _context(settings, ssl.Purpose.SERVER_AUTH)


def _context(settings: Settings, purpose: ssl.Purpose) -> ssl.SSLContext:
    try:
        authority = settings.dicom_tls_authority
        context = ssl.create_default_context(purpose, cafile=str(authority) if authority else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if settings.dicom_tls_certificate is not None:
            context.load_cert_chain(settings.dicom_tls_certificate, settings.dicom_tls_key)
    except (ssl.SSLError, OSError) as error:
        raise PhotopeakError(
            f"the DICOM node's certificates cannot be used: {error}. Remedy: give PEM files of a certificate, its key "
            "and the authority, that the room may read."
        ) from error
    return context
