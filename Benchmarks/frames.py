"""Frames of HTTP/2 (RFC 9113), byte by byte: literal fields, nothing compressed."""

import struct

import harness
from cached import KEY


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def block(fields):
    text = lambda s: bytes([len(s)]) + s if len(s) < 127 else bytes([127]) + varint(len(s) - 127) + s
    return b"".join(b"\0" + text(n) + text(v) for n, v in fields)


def varint(n):
    out = bytearray()
    while n >= 128:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out) + bytes([n])


def request(stream, path=harness.PREFIX.encode(), method=b"GET", ends=True, flags=4, more=(), scheme=b"http"):
    return frame(1, flags | (1 if ends else 0), stream, block([
        (b":method", method), (b":scheme", scheme), (b":authority", b"127.0.0.1"), (b":path", path),
        (b"accept", b"application/vnd.bentley.itwin-platform.v2+json"), (b"x-api-key", KEY.encode()), *more]))


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = frame(4)
