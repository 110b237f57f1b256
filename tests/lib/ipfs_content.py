"""ipfs_content.py: CIDs and UnixFS, as much of them as the tests need, independent of the program that is tested."""
import base64
import hashlib

RAW, DAG_PB = 0x55, 0x70
SHA2_256 = b'\x12\x20'
BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
BASE36 = '0123456789abcdefghijklmnopqrstuvwxyz'
CHUNK = 256 * 1024
LINKS_MAX = 174  # of one node of a file; deeper trees are not built here


def to_digits(data, alphabet):
        number, text = int.from_bytes(data, 'big'), ''
        while number:
                number, digit = divmod(number, len(alphabet))
                text = alphabet[digit] + text
        return alphabet[0] * (len(data) - len(data.lstrip(b'\0'))) + text


def from_digits(text, alphabet):
        number = 0
        for c in text:
                number = number * len(alphabet) + alphabet.index(c)
        zeros = len(text) - len(text.lstrip(alphabet[0]))
        return b'\0' * zeros + number.to_bytes((number.bit_length() + 7) // 8, 'big')


def padded(text, unit):
        return text + '=' * (-len(text) % unit)


DECODERS = {
        'b': lambda t: base64.b32decode(padded(t.upper(), 8)),
        'B': lambda t: base64.b32decode(padded(t, 8)),
        'z': lambda t: from_digits(t, BASE58),
        'k': lambda t: from_digits(t, BASE36),
        'f': bytes.fromhex,
        'F': bytes.fromhex,
        'm': lambda t: base64.b64decode(padded(t, 4)),
        'u': lambda t: base64.urlsafe_b64decode(padded(t, 4)),
}


class Cid:
        """The bytes of a CID, printed as Kubo does: v0 in base58, v1 in base32."""

        def __init__(self, raw):
                self.raw = raw

        @classmethod
        def parse(cls, text):
                if len(text) == 46 and text.startswith('Qm'):
                        raw = from_digits(text, BASE58)
                elif len(text) > 1 and text[0] in DECODERS:
                        raw = DECODERS[text[0]](text[1:])
                        if raw[:1] != b'\x01' or len(raw) < 4:
                                raise ValueError('no CIDv1')
                else:
                        raise ValueError('selected encoding not supported')
                return cls(raw)

        @classmethod
        def of_block(cls, block, codec=DAG_PB, version=0):
                multihash = SHA2_256 + hashlib.sha256(block).digest()
                return cls(multihash if version == 0 else bytes([1, codec]) + multihash)

        def __str__(self):
                if self.raw[:2] == SHA2_256:
                        return to_digits(self.raw, BASE58)
                return 'b' + base64.b32encode(self.raw).decode().lower().rstrip('=')

        def __eq__(self, other):
                return isinstance(other, Cid) and self.raw == other.raw

        def __hash__(self):
                return hash(self.raw)


def numbered(n):
        """The Nth of any number of CIDs; no content has them."""
        return Cid(b'\x01\x55' + SHA2_256 + hashlib.sha256(b'pin %d' % n).digest())


def varint(n):
        out = bytearray()
        while n > 0x7f:
                out.append(n & 0x7f | 0x80)
                n >>= 7
        return bytes(out) + bytes([n])


def field(number, value):
        if isinstance(value, int):
                return varint(number << 3) + varint(value)
        return varint(number << 3 | 2) + varint(len(value)) + value


class Store:
        """Blocks, and what a UnixFS import makes of files and folders."""

        def __init__(self):
                self.blocks = {}  # multihash: block
                self.links = {}   # multihash: {name: Cid}
                self.sizes = {}   # multihash: bytes of the whole graph

        def put(self, block, codec=DAG_PB, version=0, links=(), below=0):
                cid = Cid.of_block(block, codec, version)
                key = cid.raw[-34:]
                self.blocks[key] = block
                self.links[key] = dict(links)
                self.sizes[key] = len(block) + below
                return cid

        def has(self, cid):
                return cid.raw[-34:] in self.blocks

        def size(self, cid):
                return self.sizes[cid.raw[-34:]]

        def node(self, data, links, version=0):
                """A dag-pb node: links (name, cid, size) first, then data, as everybody writes them."""
                block = b''.join(field(2, field(1, c.raw) + field(2, n.encode()) + field(3, s)) for n, c, s in links)
                below = sum(s for _, _, s in links)
                return self.put(block + field(1, data), DAG_PB, version, [(n, c) for n, c, _ in links], below)

        def leaf(self, data, version):
                if version == 1:
                        return self.put(data, RAW, 1)
                inner = field(1, 2) + (field(2, data) if data else b'') + field(3, len(data))
                return self.node(inner, [], 0)

        def file(self, data, version=0):
                chunks = [data[i:i + CHUNK] for i in range(0, len(data), CHUNK)] or [b'']
                leaves = [self.leaf(c, version) for c in chunks]
                if len(leaves) == 1:
                        return leaves[0]
                if len(leaves) > LINKS_MAX:
                        raise ValueError('a file of more than one level of links')
                inner = field(1, 2) + field(3, len(data)) + b''.join(field(4, len(c)) for c in chunks)
                return self.node(inner, [('', c, self.size(c)) for c in leaves], version)

        def folder(self, entries, version=0):
                """entries: {name: Cid}"""
                links = [(n, entries[n], self.size(entries[n])) for n in sorted(entries, key=str.encode)]
                return self.node(field(1, 1), links, version)

        def resolve(self, cid, names):
                """Where a path of names leads; KeyError holds the name that is not there and where it was sought."""
                for name in names:
                        links = self.links.get(cid.raw[-34:], {})
                        if name not in links:
                                raise KeyError(name, str(cid))
                        cid = links[name]
                return cid

        def content(self, cid):
                """The bytes of a file."""
                key = cid.raw[-34:]
                block = self.blocks[key]
                if cid.raw[:2] == b'\x01\x55':
                        return block
                if self.links[key]:
                        return b''.join(self.content(c) for c in self.parts(block))
                return unixfs_data(block)

        def parts(self, block):
                return [Cid(dict(fields(link))[1]) for number, link in fields(block) if number == 2]


def fields(message):
        at = 0

        def number():
                nonlocal at
                value = shift = 0
                while True:
                        byte = message[at]
                        at += 1
                        value |= (byte & 0x7f) << shift
                        shift += 7
                        if byte < 0x80:
                                return value

        while at < len(message):
                tag = number()
                value = number()
                if tag & 7 == 2:
                        value, at = message[at:at + value], at + value
                yield tag >> 3, value


def unixfs_data(block):
        inner = dict(fields(block))[1]
        return dict(fields(inner)).get(2, b'')
