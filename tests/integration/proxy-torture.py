#!/usr/bin/env python3
"""The IPFS proxy among clients and a Kubo that stall, trickle, vanish, flood and lie: it stays small, answers everybody else,
and lets go of everything. The order of chance is fixed; IPFS_CLUSTER_TEST_SEED chooses another one."""
import contextlib
import os
import random
import resource
import select
import selectors
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from cluster_test import PATIENCE, Reader, connect, eventually, exchange, multipart, read_response, run  # noqa: E402

SEED = int(os.environ.get('IPFS_CLUSTER_TEST_SEED', '1'))
MIB = 1 << 20
BIG = 192 * MIB
GROWTH = 6 * MIB  # of what is resident, while a body of BIG goes through
IDLE = 1000
RUDE = 400
SANITIZED = bool(os.environ.get('ASAN_OPTIONS')) or 'san' in os.environ.get('IPFS_CLUSTER_TEST_SERVICE', '')


class Upstream(threading.Thread):
        """A Kubo for bodies: POST /api/v0/get/N/KIND answers N bytes, with their length, chunked, or until it closes; what is
        sent to it is counted and told, or with /sink/slow taken slowly. /hang answers nothing, /drop closes at once."""

        def __init__(self):
                super().__init__(daemon=True)
                self.socket = socket.create_server(('127.0.0.1', 0), backlog=2048)
                self.multiaddr = f'/ip4/127.0.0.1/tcp/{self.socket.getsockname()[1]}'
                self.open, self.lock = set(), threading.Lock()
                self.start()

        def run(self):
                while True:
                        connection, _ = self.socket.accept()
                        threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

        def serve(self, connection):
                with self.lock:
                        self.open.add(connection)
                try:
                        with contextlib.suppress(OSError, EOFError, ValueError, IndexError):
                                while self.one(connection):
                                        pass
                finally:
                        with self.lock:
                                self.open.discard(connection)
                        connection.close()

        def one(self, connection):
                data = b''
                while b'\r\n\r\n' not in data:
                        more = connection.recv(65536)
                        if not more:
                                return False
                        data += more
                head, _, body = data.partition(b'\r\n\r\n')
                path = head.split(b' ', 2)[1].decode().split('/')[3:]
                if path[0] == 'hang':
                        return bool(connection.recv(1)) and False
                if path[0] == 'drop':
                        return False
                n = self.take(connection, head, body, slow='slow' in path)
                if path[0] == 'get':
                        return self.give(connection, int(path[1]), path[2])
                text = b'%d' % n
                connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s' % (len(text), text))
                return True

        def take(self, connection, head, body, slow):
                n, headers = len(body), head.lower()
                if b'transfer-encoding: chunked' in headers:
                        tail = body[-5:]
                        while tail != b'0\r\n\r\n':
                                data = connection.recv(MIB)
                                if not data:
                                        raise EOFError
                                n, tail = n + len(data), (tail + data)[-5:]
                        return n
                length = int(headers.partition(b'content-length: ')[2].split(b'\r')[0] or 0) if b'content-length: ' in headers else 0
                while n < length:
                        data = connection.recv(16384 if slow else MIB)
                        if not data:
                                raise EOFError
                        n += len(data)
                        if slow:
                                time.sleep(0.0005)
                return n

        def give(self, connection, n, kind):
                block = b'x' * 65536
                framing = {'length': b'Content-Length: %d\r\n' % n, 'chunked': b'Transfer-Encoding: chunked\r\n', 'close': b''}[kind]
                connection.sendall(b'HTTP/1.1 200 OK\r\n' + framing + b'\r\n')
                for at in range(0, n, len(block)):
                        part = block[:n - at]
                        connection.sendall(b'%x\r\n%s\r\n' % (len(part), part) if kind == 'chunked' else part)
                if kind == 'chunked':
                        connection.sendall(b'0\r\n\r\n')
                return kind != 'close'


def proxied(bench, **section):
        upstream = Upstream()
        peer = bench.peer(bench.stand_in(), proxy={'node_multiaddress': upstream.multiaddr, **section}).start()
        assert peer.proxied('warm').status == 200
        return peer, upstream


def resident(peer, key='VmRSS'):
        with open(f'/proc/{peer.process.popen.pid}/status', encoding='ascii') as f:
                return next(int(l.split()[1]) for l in f if l.startswith(key + ':')) * 1024


def descriptors(peer):
        return len(os.listdir(f'/proc/{peer.process.popen.pid}/fd'))


def is_small(peer, before):
        """Sanitizers keep what was freed."""
        grown = resident(peer, 'VmHWM') - before
        assert SANITIZED or grown < GROWTH, f'{grown / MIB:.1f} MiB more'


def bodies_of_any_size(bench):
        peer, _ = proxied(bench)
        before = resident(peer, 'VmHWM')
        for kind in 'length', 'chunked', 'close':
                with connect(peer.proxy_port) as client:
                        client.sendall(f'POST /api/v0/get/{BIG}/{kind} HTTP/1.1\r\nHost: k\r\n\r\n'.encode())
                        n = 0
                        while n < BIG:
                                data = client.recv(MIB)
                                assert data, f'{kind} ended after {n}'
                                n += len(data)
        is_small(peer, before)
        for framing in f'Content-Length: {BIG}', 'Transfer-Encoding: chunked':
                with connect(peer.proxy_port) as client:
                        client.sendall(f'POST /api/v0/sink HTTP/1.1\r\nHost: k\r\n{framing}\r\n\r\n'.encode())
                        block = b'y' * 65536
                        for _ in range(BIG // len(block)):
                                client.sendall(block if 'Content' in framing else b'10000\r\n' + block + b'\r\n')
                        if 'Transfer' in framing:
                                client.sendall(b'0\r\n\r\n')
                        got = read_response(Reader(client, PATIENCE), 'POST')
                        assert int(got.body) >= BIG, got
        is_small(peer, before)


def who_does_not_read_makes_the_other_wait(bench):
        """A client that takes nothing of a big answer, a Kubo that takes a big request slowly: nothing piles up."""
        peer, _ = proxied(bench)
        before = resident(peer, 'VmHWM')
        stalled = []
        for kind in ('length', 'chunked', 'close') * 5:
                client = connect(peer.proxy_port)
                client.sendall(f'POST /api/v0/get/{BIG}/{kind} HTTP/1.1\r\nHost: k\r\n\r\n'.encode())
                stalled.append(client)
        slow = connect(peer.proxy_port)
        slow.sendall(b'POST /api/v0/sink/slow HTTP/1.1\r\nHost: k\r\nContent-Length: %d\r\n\r\n' % (8 * MIB))
        slow.sendall(b'z' * (8 * MIB))
        for _ in range(50):
                assert peer.proxied('ok').status == 200
        assert read_response(Reader(slow, PATIENCE), 'POST').body == b'%d' % (8 * MIB)
        is_small(peer, before)
        for client in stalled:
                client.close()


def many_idle_clients(bench):
        peer, upstream = proxied(bench)
        before, fds = resident(peer), descriptors(peer)
        clients = [connect(peer.proxy_port) for _ in range(IDLE)]
        for client in clients[::2]:
                client.sendall(b'POST /api/v0/ok HTTP/1.1\r\nHost: k\r\n\r\n')
        for client in clients[::2]:
                assert read_response(Reader(client, PATIENCE), 'POST').status == 200
        assert descriptors(peer) < fds + IDLE + 100  # Kubo's connections are shared
        grown = (resident(peer) - before) / IDLE
        assert SANITIZED or grown < 6000, f'{grown:.0f} bytes a client'
        for client in clients[1::2]:  # those that said nothing so far
                client.sendall(b'POST /api/v0/ok HTTP/1.1\r\nHost: k\r\n\r\n')
                assert read_response(Reader(client, PATIENCE), 'POST').status == 200
        for client in clients:
                client.close()
        eventually(lambda: descriptors(peer) < fds + 70, 'the connections are let go')


class Rude:
        """Clients that do, each, one thing that is not nice, in an order of chance."""

        def __init__(self, port, seed):
                self.port, self.random = port, random.Random(seed)

        def one(self):
                client = connect(self.port)
                with contextlib.suppress(OSError):
                        self.random.choice((self.vanish, self.reset, self.half_close, self.trickle, self.garbage, self.abandon_upload,
                                            self.abandon_download, self.pipeline_and_go, self.bad_chunks, self.drop))(client)
                client.close()

        def ask(self, what='ok', head=''):
                return f'POST /api/v0/{what} HTTP/1.1\r\nHost: k\r\n{head}\r\n'.encode()

        def vanish(self, client):
                client.sendall(self.ask()[:self.random.randrange(40)])

        def reset(self, client):
                client.sendall(self.ask(self.random.choice(('ok', 'hang', 'get/1000000/chunked'))))
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))

        def half_close(self, client):
                client.sendall(self.ask(self.random.choice(('ok', 'hang', 'get/100000/length'))))
                client.shutdown(socket.SHUT_WR)
                client.settimeout(0.2)
                while client.recv(65536):
                        pass

        def trickle(self, client):
                for byte in self.ask('get/10/length'):
                        client.sendall(bytes([byte]))
                assert read_response(Reader(client, PATIENCE), 'POST').body == b'x' * 10

        def garbage(self, client):
                client.sendall(self.random.randbytes(self.random.randrange(1, 20000)))
                client.settimeout(0.2)
                client.recv(65536)

        def abandon_upload(self, client):
                client.sendall(self.ask('sink', f'Content-Length: {MIB}\r\n') + b'x' * self.random.randrange(MIB // 2))

        def abandon_download(self, client):
                client.sendall(self.ask(f'get/{50 * MIB}/{self.random.choice(("length", "chunked", "close"))}'))
                client.recv(self.random.randrange(1, 100000))

        def pipeline_and_go(self, client):
                client.sendall(self.ask() * self.random.randrange(1, 30) + self.ask('hang'))
                client.recv(10)

        def bad_chunks(self, client):
                client.sendall(self.ask('sink', 'Transfer-Encoding: chunked\r\n') + b'3\r\nabc\r\n' + self.random.randbytes(20))
                client.settimeout(0.2)
                client.recv(65536)

        def drop(self, client):
                client.sendall(self.ask('drop'))
                assert read_response(Reader(client, PATIENCE), 'POST').status == 502


def rude_clients(bench):
        peer, upstream = proxied(bench)
        fds, before = descriptors(peer), resident(peer, 'VmHWM')

        def some(seed):
                rude = Rude(peer.proxy_port, seed)
                for _ in range(RUDE // 8):
                        rude.one()

        threads = [threading.Thread(target=some, args=(SEED * 100 + n,)) for n in range(8)]
        for thread in threads:
                thread.start()
        while any(t.is_alive() for t in threads):
                assert peer.proxied('ok').status == 200  # all the time
        eventually(lambda: descriptors(peer) <= fds + 70, 'the connections are let go')
        eventually(lambda: len(upstream.open) <= 70, 'Kubo is let go')
        is_small(peer, before)
        assert peer.proxied('pin/ls').status == 200


def floods(bench):
        """Heads, trailers, chunk extensions and informational answers without an end."""
        peer, _ = proxied(bench)
        before = resident(peer, 'VmHWM')
        for start, more in ((b'POST /api/v0/ok HTTP/1.1\r\nHost: k\r\n', b'X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n'), (b'POST /', b'y' * 50),
                            (b'', b'\r\n' * 25), (b'POST /api/v0/sink HTTP/1.1\r\nHost: k\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n', b'X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n'),
                            (b'POST /api/v0/sink HTTP/1.1\r\nHost: k\r\nTransfer-Encoding: chunked\r\n\r\n1;', b'y' * 50)):
                with connect(peer.proxy_port) as client:
                        client.sendall(start)
                        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                                for _ in range(200000):
                                        client.sendall(more * 100)
                                raise AssertionError(f'{start!r} is listened to without an end')
        flooding = socket.create_server(('127.0.0.1', 0))
        other = bench.peer(bench.stand_in(), name='flooded', proxy={'node_multiaddress': f'/ip4/127.0.0.1/tcp/{flooding.getsockname()[1]}'}).start()
        with connect(other.proxy_port) as client:
                client.sendall(b'POST /api/v0/ok HTTP/1.1\r\nHost: k\r\n\r\n')
                server, _ = flooding.accept()
                with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                        for _ in range(10000):
                                server.sendall(b'HTTP/1.1 200 OK\r\n' + b'X: y\r\n' * 20000)
                got = read_response(Reader(client, PATIENCE), 'POST')
                assert got.status == 502, got
        is_small(peer, before)


def hints_without_end(bench):
        """A Kubo that answers 1xx for ever, to a client that does not even read."""
        other, kubo = lying(bench)
        before = resident(other, 'VmHWM')
        with connect(other.proxy_port) as client:
                client.sendall(b'POST /api/v0/ok HTTP/1.1\r\nHost: k\r\n\r\n')
                server, _ = kubo.accept()
                server.settimeout(PATIENCE)
                with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                        for _ in range(2000):
                                server.sendall(b'HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n' * 1000)
                        raise AssertionError('it is listened to without an end')
                got = client.recv(1 << 16)
                while b'HTTP/1.1 502' not in got:
                        more = client.recv(1 << 16)
                        assert more, got[-200:]
                        got += more
        is_small(other, before)


def lying(bench, **section):
        kubo = socket.create_server(('127.0.0.1', 0))
        kubo.settimeout(PATIENCE)
        peer = bench.peer(bench.stand_in(), name='lied-to', proxy={'node_multiaddress': f'/ip4/127.0.0.1/tcp/{kubo.getsockname()[1]}', **section}).start()
        return peer, kubo


def one_client_is_not_all(bench):
        """Requests without a pause, each answered at once: others have their turn, and so has the rest of the daemon."""
        peer, _ = proxied(bench)
        stop = threading.Event()
        client = connect(peer.proxy_port)
        block = b'GET /api/v0/pin/ls HTTP/1.1\r\nHost: k\r\n\r\n' * 5000

        def send():
                with contextlib.suppress(OSError):
                        while not stop.is_set():
                                client.sendall(block)

        def read():
                with contextlib.suppress(OSError):
                        while client.recv(MIB):
                                pass

        threads = [threading.Thread(target=f, daemon=True) for f in (send, read)]
        for thread in threads:
                thread.start()
        for _ in range(20):
                assert peer.get('/version').status == 200
                assert peer.proxied('ok').status == 200
        stop.set()
        client.shutdown(socket.SHUT_RDWR)
        for thread in threads:
                thread.join()


def a_client_that_ends_its_sending_early(bench):
        """What it has asked for is answered, all of it, though it will say nothing more."""
        peer, _ = proxied(bench)
        for n in 2, 20, 3000:
                with connect(peer.proxy_port) as client:
                        client.sendall(b'POST /api/v0/ok HTTP/1.1\r\nHost: k\r\n\r\n' * n)
                        client.shutdown(socket.SHUT_WR)
                        reader = Reader(client, PATIENCE)
                        for at in range(n):
                                assert read_response(reader, 'POST').body == b'0', (n, at)


def answers_that_lie(bench):
        """What Kubo says is no HTTP, or more than one thing: 502, or the end; never the next client's answer."""
        peer, kubo = lying(bench)
        for raw in (b'\x00' * 100, b'HTTP/1.1 200 OK\n\n', b'HTTP/2 200\r\n\r\n', b'HTTP/1.1 99 x\r\n\r\n', b'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
                    b'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', b'HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n', b'HTTP/1.1 200 OK\r\nA : b\r\n\r\n',
                    b'HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n', b'\r\nHTTP/1.1 200 OK\r\n\r\n', b'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n'):
                with connect(peer.proxy_port) as client:
                        client.sendall(b'POST /api/v0/ok HTTP/1.1\r\nHost: k\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n')
                        server, _ = kubo.accept()
                        assert b'pgrade' not in server.recv(65536)
                        server.sendall(raw)
                        server.shutdown(socket.SHUT_WR)
                        got = read_response(Reader(client, PATIENCE), 'POST')
                        assert got.status == 502, (raw, got)
                        server.close()
        # More than it was asked for: the next one gets an answer of its own.
        with connect(peer.proxy_port) as client:
                for n in range(3):
                        client.sendall(b'POST /api/v0/ok HTTP/1.1\r\nHost: k\r\n\r\n')
                        server, _ = kubo.accept()
                        server.recv(65536)
                        server.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%dHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil' % n)
                        assert read_response(Reader(client, PATIENCE), 'POST').body == b'%d' % n


def strange_words(bench):
        """Bytes that are no text, in what the cluster answers itself."""
        peer = bench.peer(bench.stand_in(), proxy={}).start()
        for path in ('pin/add?arg=%ff%fe', 'pin/add/%c0%80', 'pin/rm?arg=%ed%a0%80', 'pin/ls?arg=%22%5c%0a', 'pin/ls?type=%ff', 'pin/update?arg=%ff&arg=%ff', 'pin/add?arg=x&name=%ff'):
                got = peer.proxied(path)
                assert got.status >= 400 and isinstance(got.json()['Message'], str), (path, got)
        with connect(peer.proxy_port) as client:
                client.sendall(b'POST /api/v0/add HTTP/1.1\r\nHost: k\r\nContent-Type: multipart/\xff"\\\r\nContent-Length: 0\r\n\r\n')
                got = read_response(Reader(client, PATIENCE), 'POST')
                assert got.status == 500 and 'boundary' in got.json()['Message'], got
        assert peer.proxied('pin/ls').json() == {'Keys': {}}


def cpu(peer):
        with open(f'/proc/{peer.process.popen.pid}/stat', encoding='ascii') as f:
                return sum(map(int, f.read().rsplit(') ', 1)[1].split()[11:13])) / os.sysconf('SC_CLK_TCK')


def no_descriptors_left(bench):
        """Nobody can be let in: those that are there go on, nothing spins, and afterwards all is as before."""
        peer, upstream = proxied(bench)
        hanging = [connect(peer.proxy_port) for _ in range(8)]
        for client in hanging:  # not idle
                client.sendall(b'POST /api/v0/hang HTTP/1.1\r\nHost: k\r\n\r\n')
        busy = connect(peer.proxy_port)
        busy.sendall(b'POST /api/v0/sink HTTP/1.1\r\nHost: k\r\nContent-Length: 2\r\n\r\nx')
        pid, limits = peer.process.popen.pid, resource.prlimit(peer.process.popen.pid, resource.RLIMIT_NOFILE)
        eventually(lambda: len(upstream.open) >= 9, 'they are there')
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, limits[1]))
        waiting = [socket.create_connection(('127.0.0.1', port), PATIENCE) for port in (peer.proxy_port, peer.proxy_port, peer.port)]
        for client in waiting:
                client.sendall(b'POST /api/v0/ok HTTP/1.1\r\nHost: k\r\nConnection: close\r\n\r\n')
        before = cpu(peer)
        busy.sendall(b'x')
        assert read_response(Reader(busy, PATIENCE), 'POST').body == b'2'
        eventually(lambda: 'cannot accept connections' in peer.process.text(), 'it is told')
        time.sleep(2)
        assert SANITIZED or cpu(peer) - before < 0.7, f'{cpu(peer) - before} s of the CPU'
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        for client in waiting:
                assert read_response(Reader(client, PATIENCE), 'POST').status in (200, 404, 405)
        assert peer.process.text().count('cannot accept connections') == 1
        for client in *hanging, busy, *waiting:
                client.close()
        assert peer.proxied('ok').status == 200 and peer.get('/id').status == 200


def few_descriptors(bench):
        """Idle clients make place for others; who hangs keeps his, new ones are told; files can still be opened."""
        upstream = Upstream()
        peer = bench.peer(bench.stand_in(), proxy={'node_multiaddress': upstream.multiaddr})
        command = peer.command
        peer.command = lambda *words: ['sh', '-c', 'ulimit -n 256; exec "$@"', 'sh', *command(*words)]  # so that 128 are for connections
        peer.start()
        idle = [connect(peer.proxy_port) for _ in range(150)]
        assert peer.proxied('ok').status == 200
        hanging = []
        for _ in range(120):
                client = connect(peer.proxy_port)
                client.sendall(b'POST /api/v0/hang HTTP/1.1\r\nHost: k\r\n\r\n')
                hanging.append(client)
        answered = []
        eventually(lambda: answered.extend(select.select(hanging, [], [], 0)[0]) or answered, 'somebody is refused')
        refused = read_response(Reader(answered[0], PATIENCE), 'POST')
        assert refused.status in (502, 503), refused
        eventually(lambda: descriptors(peer) < 256 - 32, 'those that were told have gone')  # they linger for a second
        assert len(upstream.open) > 20, upstream.open
        for client in *idle, *hanging:
                client.close()
        eventually(lambda: peer.proxied('ok').status == 200, 'there is place again')
        eventually(lambda: peer.get('/id').status == 200, 'the API answers')


def a_slow_loris(bench):
        """Clients that never end their heads are cut, the others do not notice."""
        peer, _ = proxied(bench, read_header_timeout='1s')
        slow = [connect(peer.proxy_port) for _ in range(200)]
        watch = selectors.DefaultSelector()
        for client in slow:
                client.setblocking(False)
                watch.register(client, selectors.EVENT_READ)
        end = time.monotonic() + PATIENCE
        while slow and time.monotonic() < end:
                for client in slow:
                        with contextlib.suppress(OSError):
                                client.send(b'X')
                assert peer.proxied('ok').status == 200
                for key, _ in watch.select(0.05):
                        watch.unregister(key.fileobj)
                        slow.remove(key.fileobj)
                        key.fileobj.close()
        assert not slow, f'{len(slow)} are still there'


def uploads_at_once(bench):
        """Files added by many at a time are all pinned, each once."""
        kubo = bench.stand_in()
        peer = bench.peer(kubo, proxy={}).start()
        failed = []

        def some(first):
                for n in range(first, first + 10):
                        headers, body = multipart({f'f{n}': b'%d' % n})
                        got = peer.proxied(f'add?pin-name=n{n}', body, headers)
                        if got.status != 200 or len(got.lines()) != 1 or got.trailers:
                                failed.append(got)

        threads = [threading.Thread(target=some, args=(n * 10,)) for n in range(10)]
        for thread in threads:
                thread.start()
        for thread in threads:
                thread.join()
        assert not failed, failed[0]
        assert {p['name'] for p in peer.get('/allocations').lines()} == {f'n{n}' for n in range(100)}


run(bodies_of_any_size, who_does_not_read_makes_the_other_wait, many_idle_clients, rude_clients, floods, hints_without_end, one_client_is_not_all,
    a_client_that_ends_its_sending_early, answers_that_lie, strange_words, no_descriptors_left, few_descriptors, a_slow_loris, uploads_at_once)
