"""Bodies that are compressed on the wire."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException

from ufseg.errors import ImageError
from ufseg.service.sink import Block, Sink

_BLOCK = 1 << 20
# The most memory that a frame may ask of its reader; zstd's own default for streams.
_LARGEST_WINDOW = 128 << 20

Write = Callable[[list[bytes]], int]


def writer(encoding: str, sink: Sink) -> Write:
    """What takes the blocks of a body with this Content-Encoding and gives `sink` the file.

    What a compressed body unfolds to is handed on in pieces of 128 KiB, so that `sink` stops a bomb at its limit.

    Raises:
        HTTPException: 415, another encoding than zstd or none, or zstandard is not installed.
    """
    if encoding in ("", "identity"):
        return sink.write_all
    if encoding != "zstd":
        raise HTTPException(
            415, f"The Content-Encoding {encoding[:40]!r} is not taken. Send the file as it is, or zstd."
        )
    zstandard = _zstandard()
    target = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW).stream_writer(_Target(sink), closefd=False)

    def write(blocks: list[bytes]) -> int:
        try:
            return sum(int(target.write(block)) for block in blocks)
        except zstandard.ZstdError as error:
            raise ImageError(f"The body is no readable zstd stream: {error}. Send it again.") from error

    return write


def accepts_zstd(header: str, *, local: bool) -> bool:
    """Whether an answer should be compressed, by the request's Accept-Encoding.

    Programs name by themselves whatever they can read; on one machine that would only cost time, and there zstd must be
    the only one named.
    """
    names = {part.partition(";")[0].strip().lower() for part in header.split(",")}
    if "zstd" not in names or (local and names != {"zstd"}):
        return False
    try:
        _zstandard()
    except HTTPException:
        return False
    return True


def compressed(path: Path) -> Iterator[bytes]:
    """The bytes of a file as a zstd stream."""
    squeezer = _zstandard().ZstdCompressor(level=1).compressobj(size=path.stat().st_size)
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            if piece := squeezer.compress(block):
                yield piece
    yield squeezer.flush()


class _Target:
    """A sink as zstandard wants one."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def write(self, block: Block) -> int:
        return self._sink.write(block)


def _zstandard() -> Any:
    try:
        import zstandard
    except ImportError as error:
        raise HTTPException(
            415, "The package zstandard is not installed with this service. Send the file without compression, or "
            "install ufseg[zstd].",
        ) from error  # fmt: skip
    return zstandard
