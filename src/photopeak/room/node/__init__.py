"""The DICOM node: what other machines send to the room, ask of it and get from it."""

from photopeak.room.node.node import Node

__all__ = ["Node"]
