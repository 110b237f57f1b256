#!/usr/bin/env python3
"""POST /add against a Kubo that can be told to fail: what it says, what is pinned, how many there may be, and how they end
when the client, Kubo, or the daemon goes."""
import contextlib
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from cluster_test import PATIENCE, Reader, connect, eventually, multipart, read_response, run  # noqa: E402

FILES = {'d': None, 'd/a': b'file a\n', 'd/b': b'file b\n'}
ADDS_MAX = 32
WORDS = {'status': 'told to fail', 'trailer': 'context deadline exceeded', 'cut': 'IPFS request failed (add)', 'reset': 'IPFS request failed (add)',
         'garbage': 'IPFS gave an answer to add that cannot be used', 'deny': 'Access Denied'}


def add(peer, files, query='', **options):
        headers, body = multipart(files)
        return peer.post('/add' + query, headers={**headers, **options.pop('headers', {})}, body=body, **options)


def begin(peer, files, part=0.5, query=''):
        """A connection on which so much of an upload was sent; and the rest."""
        headers, body = multipart(files)
        connection = connect(peer.port)
        head = f'POST /add{query} HTTP/1.1\r\nHost: x\r\nContent-Type: {headers["Content-Type"]}\r\nContent-Length: {len(body)}\r\n\r\n'
        sent = int(len(body) * part)
        connection.sendall(head.encode() + body[:sent])
        return connection, body[sent:]


def no_pins(peer):
        return peer.get('/allocations').status == 204


def adds_and_pins(bench):
        kubo = bench.stand_in()
        peer = bench.peer(kubo).start()
        lines = add(peer, FILES, '?name=n&meta-k=v&expire-in=1h').lines()
        assert [l['name'] for l in lines] == ['d/a', 'd/b', 'd'] and all(l['allocations'] == [peer.peer_id] for l in lines), lines
        pin = peer.ok('GET', f'/allocations/{lines[-1]["cid"]}')
        assert pin['name'] == 'n' and pin['metadata'] == {'k': 'v'} and pin['mode'] == 'recursive', pin
        peer.until(pin['cid'], 'pinned')
        assert kubo.pin_type(pin['cid']) == 'recursive' and kubo.pin_type(lines[0]['cid']) is None

        wrapped = add(peer, {'x': b'1', 'y': b'2'}, '?wrap-with-directory=true&stream-channels=false').json()
        assert [l['name'] for l in wrapped] == ['x', 'y', ''], wrapped
        assert peer.get(f'/allocations/{wrapped[2]["cid"]}').status == 200 and peer.get(f'/allocations/{wrapped[0]["cid"]}').status == 404
        for line in add(peer, {'p': b'3', 'q': b'4'}).lines():  # beside each other
                assert peer.get(f'/allocations/{line["cid"]}').status == 200
        line, = add(peer, {'z': b'5'}, '?no-pin=true').lines()
        assert peer.get(f'/allocations/{line["cid"]}').status == 404
        line, = add(peer, {'w': b'6'}, '?local=true&replication=1').lines()
        assert peer.ok('GET', f'/allocations/{line["cid"]}')['allocations'] == [peer.peer_id]
        assert all('pin=false' in query for query in kubo.control()['log'] if query.startswith('add?'))


def tells_what_kubo_says(bench):
        kubo = bench.stand_in()
        peer = bench.peer(kubo).start()
        for kind, words in WORDS.items():
                kubo.fault('add', kind)
                got = add(peer, FILES)
                assert got.status == 200 and words in got.trailers['X-Stream-Error'], (kind, got)
                got = add(peer, FILES, '?stream-channels=false')
                assert got.status == 500 and words in got.json()['message'], (kind, got)
        kubo.fault('add')
        assert no_pins(peer)
        assert add(peer, FILES).trailers == {}


def ends_when_the_client_goes(bench):
        """A Kubo that never answers: its request ends with the client's."""
        kubo = bench.stand_in()
        peer = bench.peer(kubo).start()
        kubo.fault('add', 'hang')
        for part in 0.5, 1:
                before = kubo.count('add')
                connection, _ = begin(peer, FILES, part)
                if part == 1:
                        eventually(lambda: kubo.count('add') == before + 1, 'Kubo was asked')
                connection.close()
        kubo.fault('add')
        time.sleep(0.3)
        assert no_pins(peer)
        assert len(add(peer, FILES).lines()) == 3


def takes_so_many_at_once(bench):
        peer = bench.peer(bench.stand_in()).start()
        under_way = [begin(peer, {'f': b'%d' % n}) for n in range(ADDS_MAX)]
        eventually(lambda: add(peer, FILES).status == 503, 'one more is refused')
        got = add(peer, FILES)
        assert got.json() == {'code': 503, 'message': f'{ADDS_MAX} uploads are under way: try again later'}, got
        for connection, rest in under_way:
                connection.sendall(rest)
                assert read_response(Reader(connection, PATIENCE), 'POST').trailers == {}
                connection.close()
        eventually(lambda: add(peer, FILES).status == 200, 'there is room again')
        assert len(peer.get('/allocations').lines()) == ADDS_MAX + 1


def many_and_large_ones_take_little_memory(bench):
        peer = bench.peer(bench.stand_in()).start()
        with contextlib.suppress(OSError), open(f'/proc/{peer.process.popen.pid}/clear_refs', 'w', encoding='ascii') as f:
                f.write('5')
        results = []

        def client(n):
                results.append(add(peer, {f'{n}': os.urandom(4 << 20)}).trailers)

        threads = [threading.Thread(target=client, args=[n]) for n in range(16)]
        for thread in threads:
                thread.start()
        for thread in threads:
                thread.join()
        assert results == [{}] * 16, results
        with open(f'/proc/{peer.process.popen.pid}/maps', encoding='ascii') as f:
                sanitized = 'san' in f.read()
        with open(f'/proc/{peer.process.popen.pid}/status', encoding='ascii') as f:
                peak = next(int(l.split()[1]) for l in f if l.startswith('VmHWM'))
        assert sanitized or peak < 32 << 10, f'{peak} kB'


def an_orderly_stop_ends_them_with_words(bench):
        peer = bench.peer(bench.stand_in()).start()
        connection, _ = begin(peer, FILES)
        reader = Reader(connection, PATIENCE)
        reader.until(b'\r\n\r\n')
        begun = time.monotonic()
        peer.stop()
        rest = reader.rest()
        assert b'X-Stream-Error: the peer is being stopped' in rest, rest
        assert time.monotonic() - begun < PATIENCE / 2
        connection.close()
        peer.start()
        assert no_pins(peer)


run(adds_and_pins, tells_what_kubo_says, ends_when_the_client_goes, takes_so_many_at_once, many_and_large_ones_take_little_memory,
    an_orderly_stop_ends_them_with_words)
