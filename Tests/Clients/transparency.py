# SPDX-License-Identifier: Apache-2.0
"""An independent verifier of the audit log, written from the documents and not from the server's code: signed notes and
checkpoints (C2SP), Merkle trees (RFC 6962, RFC 9162), and the segments' pieces as their format says. It knows no secret."""

import base64
import hashlib
import struct
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Wrong(Exception):
    """Something is not as it was written."""


def key(text: str) -> tuple[str, bytes, Ed25519PublicKey]:
    """A verifier's key: name+hash+base64(0x01 and the key)."""
    name, digest, rest = text.strip().split("+", 2)
    raw = base64.b64decode(rest, validate=True)
    if raw[0] != 1 or len(raw) != 33:
        raise Wrong("no Ed25519 key")
    number = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
    if number.hex() != digest:
        raise Wrong("the key's own digest is another")
    return name, number, Ed25519PublicKey.from_public_bytes(raw[1:])


def checkpoint(note: str, verifier: str) -> tuple[int, bytes]:
    """Size and root of a signed note."""
    name, number, public = key(verifier)
    text, _, lines = note.rpartition("\n\n")
    text += "\n"
    for line in lines.splitlines():
        dash, signer, value = line.split(" ")
        raw = base64.b64decode(value, validate=True)
        if dash != "\u2014" or signer != name or raw[:4] != number:
            continue
        try:
            public.verify(raw[4:], text.encode())
        except InvalidSignature as error:
            raise Wrong("the note's signature") from error
        origin, size, root = text.splitlines()[:3]
        if origin != name:
            raise Wrong("another log's note")
        return int(size), base64.b64decode(root, validate=True)
    raise Wrong("not signed by this key")


def leaf(record: bytes) -> bytes:
    return hashlib.sha256(b"\0" + record).digest()


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def root(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1, as it stands there."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node(root(leaves[:split]), root(leaves[split:]))


def consistency(old: int, leaves: list[bytes], whole: bool = True) -> list[bytes]:
    """RFC 6962 §2.1.2: PROOF(m, D[n])."""
    if old == len(leaves):
        return [] if whole else [root(leaves)]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if old <= split:
        return consistency(old, leaves[:split], whole) + [root(leaves[split:])]
    return consistency(old - split, leaves[split:], False) + [root(leaves[:split])]


def check_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: list[bytes]) -> bool:
    """RFC 9162 §2.1.4.2."""
    if old == new:
        return not proof and old_root == new_root
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    first, last = old - 1, new - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    one = two = path[0]
    for value in path[1:]:
        if last == 0:
            return False
        if first & 1 or first == last:
            one, two = node(value, one), node(value, two)
            while first & 1 == 0 and first != 0:
                first, last = first >> 1, last >> 1
        else:
            two = node(two, value)
        first, last = first >> 1, last >> 1
    return one == old_root and two == new_root and last == 0


def check_inclusion(index: int, hashed: bytes, size: int, top: bytes, path: list[bytes]) -> bool:
    """RFC 9162 §2.1.3.2."""
    if index >= size:
        return False
    first, last, value = index, size - 1, hashed
    for sibling in path:
        if last == 0:
            return False
        if first & 1 or first == last:
            value = node(sibling, value)
            while first & 1 == 0 and first != 0:
                first, last = first >> 1, last >> 1
        else:
            value = node(value, sibling)
        first, last = first >> 1, last >> 1
    return last == 0 and value == top


def parts(data: bytes) -> list[bytes]:
    """What the leaves of a segment are made of. Its pieces: count, a length for each record, nonce, head and records, tag; the
    part of a record begins or ends with the piece where it is the first or last in it, and the very first begins the file."""
    found: list[bytes] = []
    begin, offset = 0, 128
    while offset + 2 <= len(data):
        count = struct.unpack_from(">H", data, offset)[0]
        text = offset + 2 + 2 * count + 12
        if count == 0 or count > 1024 or text > len(data):
            break
        lengths = struct.unpack_from(f">{count}H", data, offset + 2)
        end = text + 40 + sum(lengths) + 16
        if 0 in lengths or end > len(data) or not any(data[end - 16 : end]):
            break
        place = text + 40
        for length in lengths[:-1]:
            place += length
            found.append(data[begin:place])
            begin = place
        found.append(data[begin:end])
        begin = offset = end
    return found


def leaves(directory: Path) -> list[bytes]:
    """The hashes of all records, from the segments; zeros at the end of each."""
    found: list[bytes] = []
    for path in sorted(directory.glob("*.log")):
        data = path.read_bytes()
        if not any(data[:128]):
            continue
        if data[:8] != b"GHAUDIT1":
            raise Wrong(f"{path.name} is no segment")
        first = struct.unpack(">Q", data[16:24])[0]
        if first > len(found):
            raise Wrong(f"{path.name} begins with {first}, and there are {len(found)}")
        del found[first:]  # a segment takes the place of what the one before could not flush
        found += [leaf(part) for part in parts(data)]
    return found


def tile_path(directory: Path, level: int, index: int, hashes: int = 256) -> Path:
    """Where a published log has a tile (C2SP, tlog-tiles)."""
    groups = [f"{index % 1000:03}"]
    while index >= 1000:
        index //= 1000
        groups.insert(0, f"x{index % 1000:03}")
    path = directory / "tile" / str(level) / "/".join(groups)
    return path if hashes == 256 else Path(f"{path}.p/{hashes}")


def verify_published(directory: Path, verifier: str) -> int:
    """Reads a published log as tools for such logs do: the tree's edge alone, from the tiles of each level. Its size."""
    size, top = checkpoint((directory / "checkpoint").read_text(), verifier)
    found = None
    count, level = size, 0
    while count:
        whole, rest = divmod(count, 256)
        for index in range(whole):
            tile = tile_path(directory, level, index).read_bytes()
            row = [tile[place : place + 32] for place in range(0, len(tile), 32)]
            above = tile_path(directory, level + 1, index // 256, min(256, whole - index // 256 * 256)).read_bytes()
            if len(row) != 256 or above[index % 256 * 32 :][:32] != root(row):
                raise Wrong(f"tile {level}/{index}")
        if rest:
            tile = tile_path(directory, level, whole, rest).read_bytes()
            row = [tile[place : place + 32] for place in range(0, len(tile), 32)]
            if len(tile) != rest * 32:
                raise Wrong(f"tile {level}/{whole}: {len(tile)} bytes")
            # Complete subtrees, the smallest first: they hang to the right of what the levels above hold.
            while row:
                width = rest & -rest
                peak, row, rest = root(row[-width:]), row[:-width], rest - width
                found = peak if found is None else node(peak, found)
        count, level = whole, level + 1
    if found != top:
        raise Wrong(f"another root over {size} records")
    return size


def stored_tile(directory: Path, level: int, index: int) -> bytes:
    """The log itself has a thousand and twenty-four in a file."""
    with (directory / "tile" / str(level) / f"{index // 1024:09}").open("rb") as file:
        file.seek(index % 1024 * 8192)
        return file.read(8192)


def verify(directory: Path, verifier: str, *notes: str) -> int:
    """Compares segments, tiles and checkpoints. How many records there are."""
    hashes = leaves(directory)
    own = (directory / "checkpoint").read_text()
    signed = 0
    sizes: list[tuple[int, bytes]] = []
    for note in [own, *notes]:
        size, top = checkpoint(note, verifier)
        if size > len(hashes):
            raise Wrong(f"{size} records were signed, and there are {len(hashes)}")
        if root(hashes[:size]) != top:
            raise Wrong(f"another root over {size} records")
        signed = max(signed, size)
        sizes.append((size, top))
    sizes.sort()
    for (old, old_root), (new, new_root) in zip(sizes, sizes[1:]):
        if old == 0:
            continue
        if not check_consistency(old, old_root, new, new_root, consistency(old, hashes[:new])):
            raise Wrong(f"{old} records are no prefix of {new}")
    row = hashes[:signed]
    level = 0
    while len(row) >= 256:
        above = []
        for index in range(len(row) // 256):
            tile = row[index * 256 : (index + 1) * 256]
            if stored_tile(directory, level, index) != b"".join(tile):
                raise Wrong(f"tile {level}/{index}")
            above.append(root(tile))
        row, level = above, level + 1
    return len(hashes)
