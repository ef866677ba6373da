"""Pictures, sound and files inside values: recognised by their first characters, shown by type and size."""

from itertools import islice
from typing import Self

from infinium_integrations.redaction.key_names import words

__all__ = ["SAMPLE", "Media", "block", "encoded", "size"]

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=\r\n"
_MAGIC = {
    "iVBORw0KGgo": "image/png",
    "/9j/": "image/jpeg",
    "R0lGOD": "image/gif",
    "UklGR": "audio/wav",
    "JVBERi0": "application/pdf",
    "UEsDB": "application/zip",
    "H4sI": "application/gzip",
    "SUQz": "audio/mpeg",
    "T2dnUw": "audio/ogg",
    "PHN2Zy": "image/svg+xml",
}
_WEBP = "RUJQ"
"""Where a RIFF file says that it is a picture."""
_STARTS = tuple(_MAGIC)
_LEAST_KNOWN = 256
_LEAST_UNKNOWN = 1_024
_GLANCE = 4_096
SAMPLE = 64
_VARIETY = 40
"""So many different characters have three samples of real base64; text that merely lacks spaces has fewer."""

_BLOCKS = words(
    """
    image image_url input_image audio input_audio audio_url video video_url file input_file document media blob
    """
)
_DATA_KEYS = ("data", "base64", "file_data", "image_url", "url", "image_data", "bytes")
_TYPE_KEYS = ("media_type", "mime_type", "mimeType", "format")
_FACTS = (*_DATA_KEYS, *_TYPE_KEYS)
_THOUSAND = 1_000


class Media(str):
    """A picture, sound or file: its text is ``<image/png, 123 KB>``."""

    __slots__ = ("bytes", "kind", "mime_type")

    mime_type: str
    bytes: int
    kind: str | None

    def __new__(cls, mime_type: str, count: int, kind: str | None = None) -> Self:
        """Describe content of a MIME type (or what is known instead) and a size in bytes."""
        media = super().__new__(cls, f"<{mime_type}, {size(count)}>")
        media.mime_type = mime_type
        media.bytes = count
        media.kind = kind
        return media

    def __reduce__(self) -> tuple[type[Self], tuple[str, int, str | None]]:
        return type(self), (self.mime_type, self.bytes, self.kind)

    @property
    def modality(self) -> str:
        """``image``, ``audio``, ``video`` or ``file``."""
        for word in (self.mime_type, self.kind or ""):
            found = next((known for known in ("image", "audio", "video") if known in word), None)
            if found is not None:
                return found
        return "file"

    def part(self) -> dict[str, object]:
        """Return it as a part of a message, as OpenTelemetry's GenAI conventions have it."""
        return {"type": "blob", "modality": self.modality, "mime_type": self.mime_type, "size": self.bytes}


def size(count: int) -> str:
    """Write a number of bytes for people."""
    if count < _THOUSAND:
        return f"{count} bytes"
    if count < _THOUSAND * _THOUSAND:
        return f"{count / _THOUSAND:.0f} KB"
    return f"{count / _THOUSAND / _THOUSAND:.1f} MB"


def encoded(text: str) -> Media | None:
    """Return ``<image/png, 123 KB>`` where the whole text is a data URL or long base64, else None.

    It looks at samples only.
    """
    if text[:5] == "data:":
        head, mark, _ = text[:200].partition(";base64,")
        kind = head[5:].partition(";")[0] or "text/plain"
        return Media(kind, (len(text) - len(head) - len(mark)) * 3 // 4) if mark else None
    if len(text) < _LEAST_KNOWN or " " in text[:SAMPLE] or " " in text[:_GLANCE] or not _plausible(text[:SAMPLE]):
        return None
    if text.startswith(_STARTS):
        kind = (
            "image/webp" if text[12:16] == _WEBP else next(_MAGIC[start] for start in _STARTS if text.startswith(start))
        )
        return Media(kind, len(text) * 3 // 4)
    middle = len(text) // 2
    samples = text[:SAMPLE] + text[middle : middle + SAMPLE] + text[-SAMPLE:]
    if len(text) >= _LEAST_UNKNOWN and _plausible(samples) and len(set(samples)) >= _VARIETY:
        return Media("base64", len(text) * 3 // 4)
    return None


def _plausible(sample: str) -> bool:
    return not sample.strip(_ALPHABET)


def block(value: dict[object, object]) -> Media | None:
    """Return type and size of a message's image, sound or file block whose content stands inside, else None."""
    kind = dict.get(value, "type")
    if type(kind) is not str or kind not in _BLOCKS:
        return None
    found: dict[str, object] = {}
    for part in (value, *(item for _, item in islice(dict.items(value), 8) if type(item) is dict)):
        if dict.get(part, "type") == "text" or dict.get(part, "transcript"):
            return None  # it has something to read
        found.update({key: dict.get(part, key) for key in _FACTS if type(dict.get(part, key)) in {str, bytes}})
    return _block(kind, found)


def _block(kind: str, found: dict[str, object]) -> Media | None:
    data = next((found[key] for key in _DATA_KEYS if key in found), None)
    if isinstance(data, bytes):
        return Media(_type(kind, found), len(data), kind)
    if not isinstance(data, str) or data[:8].lower().startswith(("http", "gs://", "s3://", "file:")):
        return None
    if not data.startswith("data:") and not _plausible(data[:SAMPLE]):
        return None
    known = encoded(data)
    declared = _type(kind, found)
    if known is not None and (known.mime_type != "base64" or declared == kind):
        return known
    return Media(declared, known.bytes if known is not None else len(data) * 3 // 4, kind)


def _type(kind: str, found: dict[str, object]) -> str:
    return next((str(found[key])[:64] for key in _TYPE_KEYS if key in found), kind)
