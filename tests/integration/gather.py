#!/usr/bin/env python3
"""Questions about all peers: what they say is true to each Kubo; a peer that is dead or paused is told as such, and delays
nobody else; a list costs the same memory however long it is."""
import contextlib
import http.client
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from cluster_test import PATIENCE, Skip, eventually, run  # noqa: E402
from ipfs_content import numbered  # noqa: E402

LINE = ('{"replication_factor_min":-1,"replication_factor_max":-1,"name":"pin %d","mode":"recursive","shard_size":0,"user_allocations":null,'
        '"expire_at":"0001-01-01T00:00:00Z","metadata":null,"pin_update":null,"origins":[],"cid":"%s","type":"pin","allocations":[],"max_depth":-1,'
        '"reference":null,"timestamp":"2026-11-22T15:56:01Z"}\n')
MANY = 60000
GROWTH_MAX = 4 << 20  # of a peer, while one of them lists MANY pins


def start(bench, n=3):
        peers = bench.cluster(n)
        for peer in peers:
                peer.launch()
        for peer in peers:
                peer.ready()
        linked = lambda peer: len([p for p in peer.get('/peers').lines() if not p['error']]) == n
        for peer in peers:
                eventually(lambda: linked(peer), 'all are linked')
        return peers


def pin(peers, number, *at):
        """Pin at those peers; with none, everywhere. Until it is so."""
        cid = str(numbered(number))
        query = ''
        if at:
                query = (f'?replication-min={len(at)}&replication-max={len(at)}&user-allocations='
                         + ','.join(peers[i].peer_id for i in at))
        stored = peers[0].ok('POST', f'/pins/{cid}{query}')
        assert set(stored['allocations']) == {peers[i].peer_id for i in at}, stored
        for i in at or range(len(peers)):
                peers[i].until(cid, 'pinned')
        return cid


def told(peer, path):
        """{cid: {peer ID: status}}"""
        response = peer.get(path)
        assert response.status in (200, 204), response
        lines = response.lines() if response.status == 200 else []
        assert len({l['cid'] for l in lines}) == len(lines), 'each pin once'
        return {l['cid']: {p: i['status'] for p, i in l['peer_map'].items()} for l in lines}


def expected(peers, cids, dead=()):
        """What each Kubo says, of {cid: peers that it is allocated to}."""
        def status(cid, i):
                if i not in cids[cid]:
                        return 'remote'
                if i in dead:
                        return 'cluster_error'
                return 'pinned' if peers[i].kubo.pin_type(cid) else 'unexpectedly_unpinned'

        return {cid: {p.peer_id: status(cid, i) for i, p in enumerate(peers)} for cid in cids}


def three_pins(peers):
        return {pin(peers, 1): {0, 1, 2}, pin(peers, 2, 0, 2): {0, 2}, pin(peers, 3, 1): {1}}


def statuses_are_true_to_each_kubo(bench):
        peers = start(bench)
        cids = three_pins(peers)
        first = next(iter(cids))
        for peer in peers:
                assert told(peer, '/pins') == expected(peers, cids)
                for cid in cids:
                        assert told(peer, f'/pins/{cid}') == expected(peers, {cid: cids[cid]})
                assert told(peer, '/pins?filter=cluster_error') == {}
                assert told(peer, '/pins?local=true') == {
                        cid: {peer.peer_id: s[peer.peer_id]} for cid, s in expected(peers, cids).items()}

        peers[2].kubo.call('pin/rm', arg=first)  # behind its back
        assert told(peers[0], f'/pins/{first}') == expected(peers, {first: cids[first]})
        recovered = peers[1].post('/pins/recover')
        assert recovered.status == 200, recovered
        assert [l['cid'] for l in recovered.lines()] == [first], recovered
        peers[2].until(first, 'pinned')
        assert peers[2].kubo.pin_type(first) == 'recursive'


def a_killed_peer_is_told_as_such(bench):
        peers = start(bench)
        cids = three_pins(peers)
        dead = peers[2]
        dead.kill()
        for peer in peers[:2]:
                assert told(peer, '/pins') == expected(peers, cids, dead={2})
                lost = told(peer, '/pins?filter=cluster_error')
                assert lost == {cid: {dead.peer_id: 'cluster_error'} for cid, at in cids.items() if 2 in at}, lost
                known = peer.get('/peers').lines()
                assert [p['id'] for p in known if p['error']] == [known[-1]['id']] == [dead.peer_id], known
                graph = peer.ok('GET', '/health/graph')
                assert graph['cluster_links'][dead.peer_id] == [], graph
                assert set(graph['id_to_peername']) == {p.peer_id for p in peers}, graph
                collected = peer.ok('POST', '/ipfs/gc')['peer_map']
                assert [p for p, g in collected.items() if g.get('error')] == [dead.peer_id], collected
                refused = peer.post('/pins/recover')
                assert refused.status == 500 and dead.peer_id in refused.json()['message'], refused
        dead.start()
        eventually(lambda: told(peers[0], '/pins') == expected(peers, cids), 'it is back')


@contextlib.contextmanager
def paused(peer):
        peer.process.popen.send_signal(signal.SIGSTOP)
        try:
                yield
        finally:
                peer.process.popen.send_signal(signal.SIGCONT)


def a_paused_peer_delays_no_other(bench):
        peers = start(bench)
        cids = three_pins(peers)
        elsewhere = next(cid for cid, at in cids.items() if at == {1})
        with paused(peers[2]):
                for peer in peers[:2]:  # at once, though nobody knows yet that it is gone
                        assert told(peer, f'/pins/{elsewhere}') == expected(peers, {elsewhere: {1}}, dead={2})
                        assert len(told(peer, '/pins?local=true')) == len(cids)
                assert told(peers[0], '/pins') == expected(peers, cids, dead={2})
        eventually(lambda: told(peers[1], '/pins') == expected(peers, cids), 'it goes on')


def memory(peer, key):
        with open(f'/proc/{peer.process.popen.pid}/status', encoding='ascii') as f:
                return next(int(l.split()[1]) * 1024 for l in f if l.startswith(key + ':'))


def forget_peak(peer):
        with open(f'/proc/{peer.process.popen.pid}/clear_refs', 'w', encoding='ascii') as f:
                f.write('5')


def many(peer, path):
        """How many lines an answer has; read by what is quick at that."""
        connection = http.client.HTTPConnection('127.0.0.1', peer.port, timeout=4 * PATIENCE)
        connection.request('GET', path)
        response = connection.getresponse()
        assert response.status == 200, response.status
        n = 0
        while part := response.read(1 << 20):
                n += part.count(b'\n')
        connection.close()
        return n


def a_list_costs_the_same_memory_however_long(bench):
        with open(bench.service, 'rb') as f:
                if b'__asan_init' in f.read():
                        raise Skip('a sanitizer takes more memory')
        peers = start(bench)
        for peer in peers:
                peer.kubo.fault('pin/add', 'hang')
        body = ''.join(LINE % (n, numbered(n)) for n in range(MANY)).encode()
        imported = peers[0].post('/allocations', body=body, timeout=4 * PATIENCE)
        assert imported.status == 200, imported
        for peer in peers:
                eventually(lambda: many(peer, '/allocations') == MANY, 'every peer has all pins', 4 * PATIENCE)
        before = [memory(p, 'VmRSS') for p in peers]
        for path in ('/pins', '/pins?filter=pin_queued,pinning'):
                for peer in peers:
                        forget_peak(peer)
                assert many(peers[1], path) >= MANY
                for peer, rss in zip(peers, before):
                        grown = memory(peer, 'VmHWM') - rss
                        assert grown < GROWTH_MAX, f'{peer.name} has grown by {grown >> 10} KiB'


run(statuses_are_true_to_each_kubo, a_killed_peer_is_told_as_such, a_paused_peer_delays_no_other,
    a_list_costs_the_same_memory_however_long)
