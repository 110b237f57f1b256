#!/usr/bin/env python3
"""Three peers, each with a real Kubo: what is added to one is held by those that it is allocated to, and by others when one is lost."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from cluster_test import Bench, eventually, multipart, run  # noqa: E402


class SubBench(Bench):
        """A folder of its own below that of another bench, which ends what runs in it."""

        def __init__(self, bench, name):
                self.folder = os.path.join(bench.folder, name)
                os.mkdir(self.folder)
                self.processes, self.service = bench.processes, bench.service


def three_kubos(bench):
        kubos = [SubBench(bench, f'ipfs{n}').real_kubo() for n in range(3)]
        for kubo in kubos:
                for other in kubos:
                        if other is not kubo:
                                kubo.run('swarm', 'connect', f'/ip4/127.0.0.1/tcp/{other.swarm_port}/p2p/{other.peer_id}')
        return kubos


def start(peers):
        for peer in peers:
                peer.launch()
        for peer in peers:
                peer.ready()
        ids = {p.peer_id for p in peers}
        eventually(lambda: {m['peer'] for m in peers[0].ok('GET', '/monitor/metrics/freespace')} == ids, 'all have told their room')


def two_copies(config):
        config['cluster'].update(replication_factor_min=2, replication_factor_max=2, disable_repinning=False, monitor_ping_interval='500ms')
        config['monitor']['pubsubmon']['check_interval'] = '500ms'


def content_is_where_it_is_allocated(bench):
        kubos = three_kubos(bench)
        peers = bench.cluster(3, kubos=kubos, edit=two_copies)
        start(peers)
        cid = kubos[0].add({'file.txt': os.urandom(1 << 20)}, pin='false')['file.txt']
        places = set(peers[1].ok('POST', f'/pins/{cid}')['allocations'])
        assert len(places) == 2
        for peer, kubo in zip(peers, kubos):
                if peer.peer_id in places:
                        peer.until(cid, 'pinned')
                        assert kubo.pin_type(cid) == 'recursive'
                else:
                        assert peer.status(cid)['status'] == 'remote' and kubo.pin_type(cid) is None

        # A peer with a copy is lost, and the third one takes its place; the content comes from a Kubo that is still there.
        lost = next(p for p in peers if p.peer_id in places)
        third, = [p for p in peers if p.peer_id not in places]
        lost.kill()
        third.until(cid, 'pinned')
        assert kubos[peers.index(third)].pin_type(cid) == 'recursive'

        assert third.delete(f'/pins/{cid}').status == 200
        for peer, kubo in zip(peers, kubos):
                if peer is not lost:
                        eventually(lambda: kubo.pin_type(cid) is None, 'it is let go')


def everywhere_is_everywhere(bench):
        kubos = three_kubos(bench)
        peers = bench.cluster(3, kubos=kubos)
        start(peers)
        cid = kubos[2].add({'file.txt': b'everywhere'}, pin='false')['file.txt']
        peers[0].ok('POST', f'/pins/{cid}')
        for peer, kubo in zip(peers, kubos):
                peer.until(cid, 'pinned')
                assert kubo.pin_type(cid) == 'recursive'
        for peer in peers:
                peer.stop()


def content_is_added_through_any_peer(bench):
        """It reaches those that each line names, from the Kubo of the peer that was asked; with local=true that peer is one of them."""
        kubos = three_kubos(bench)
        peers = bench.cluster(3, kubos=kubos, edit=two_copies)
        start(peers)
        for n, peer in enumerate(peers):
                for query in '', '?local=true':
                        headers, body = multipart({'file.txt': os.urandom(600000 + n)})
                        line, = peer.post('/add' + query, headers=headers, body=body).lines()
                        places = set(line['allocations'])
                        assert len(places) == 2 and places == set(peer.ok('GET', f'/allocations/{line["cid"]}')['allocations']), line
                        assert not query or peer.peer_id in places, line
                        for other in peers:
                                if other.peer_id in places:
                                        other.until(line['cid'], 'pinned')


run(content_is_where_it_is_allocated, everywhere_is_everywhere, content_is_added_through_any_peer)
