#!/usr/bin/env python3
"""Holds the folder of an audit log against a C2SP checkpoint, by the words of the specifications and none of the proxy's code:
signed-note, tlog-checkpoint, RFC 6962 section 2.1.

    verify_checkpoint.py CHECKPOINT VERIFIER_KEY FOLDER
"""

import base64
import glob
import hashlib
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def root(leaves):
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + root(leaves[:half]) + root(leaves[half:])).digest()


def main(path, verifier, folder):
    name, key_hash, key_data = verifier.split("+", 2)
    key_data = base64.b64decode(key_data, validate=True)
    key_id = hashlib.sha256(name.encode() + b"\n" + key_data).digest()[:4]
    if key_data[0] != 1 or key_id.hex() != key_hash:
        sys.exit("not a verifier key")
    with open(path, "rb") as file:
        note = file.read()
    text, separator, signatures = note.rpartition(b"\n\n")
    text += b"\n"
    if not separator or not note.endswith(b"\n"):
        sys.exit("not a signed note")
    for line in signatures.decode().splitlines():
        dash, signer, data = line.split(" ")
        data = base64.b64decode(data, validate=True)
        if dash == "\u2014" and signer == name and data[:4] == key_id:
            try:
                Ed25519PublicKey.from_public_bytes(key_data[1:]).verify(data[4:], text)
            except InvalidSignature:
                sys.exit("wrong signature")
            break
    else:
        sys.exit("not signed by this key")
    origin, size, signed_root = text.decode().splitlines()[:3]
    if origin != name:
        sys.exit("another log")
    leaves = []
    for file in sorted(glob.glob(folder + "/audit-*.jsonl")):
        with open(file, "rb") as lines:
            leaves += lines.read().split(b"\n")[:-1]
    if len(leaves) < int(size):
        sys.exit("log too short")
    if base64.b64decode(signed_root, validate=True) != root(leaves[: int(size)]):
        sys.exit("other records")
    print(f"verified {origin} {size}")


main(*sys.argv[1:])
