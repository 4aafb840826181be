"""DICOMweb (PS3.18): search, retrieval and storage over HTTP, under the rules of every other route."""

from __future__ import annotations

from fastapi import APIRouter

from photopeak.room.dicomweb import pictures, qido, stow, wado

router = APIRouter(prefix="/dicomweb", tags=["DICOMweb"])
for part in (qido.router, pictures.router, wado.router, stow.router):
    router.include_router(part)

__all__ = ["router"]
