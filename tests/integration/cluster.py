#!/usr/bin/env python3
"""Several peers, each a daemon with a Kubo of its own: any of them takes requests, and none is needed."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from cluster_test import eventually, run  # noqa: E402

HELLO = 'QmccvEeJ1S95baJ6brLwNCKc6uq89vpVEoUGcEXc5FHhaX'
CAT = 'QmSnuWmxptJZdLJpKRarxBMS2Ju2oANVrgbr2xWbie9b2D'


def start(peers):
        for peer in peers:
                peer.launch()
        for peer in peers:
                peer.ready()


def allocations(peer):
        return {pin['cid'] for pin in peer.get('/allocations').lines()}


def has(peer, *cids):
        return set(cids) <= allocations(peer)


def any_peer_takes_requests(bench):
        peers = bench.cluster(3)
        start(peers)
        for number, peer in enumerate(peers):
                cid = [HELLO, CAT, 'QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn'][number]
                peer.ok('POST', f'/pins/{cid}')
                assert has(peer, cid), 'a peer shows what it has acknowledged'
        for peer in peers:
                eventually(lambda: len(allocations(peer)) == 3, 'every peer has all pins')
                peer.until(HELLO, 'pinned')
        peers[1].request('DELETE', f'/pins/{CAT}')
        for peer in peers:
                eventually(lambda: not has(peer, CAT), 'every peer has unpinned it')
        for peer in peers:
                peer.stop()


def any_peer_may_be_killed(bench):
        peers = bench.cluster(3)
        start(peers)
        cids = [HELLO, CAT, 'QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn']
        for cid, victim in zip(cids, peers):
                victim.kill()
                others = [p for p in peers if p is not victim]
                others[0].ok('POST', f'/pins/{cid}')
                for peer in others:
                        eventually(lambda: has(peer, cid), 'the others go on')
                victim.start()
                eventually(lambda: has(victim, cid), 'it catches up')


run(any_peer_takes_requests, any_peer_may_be_killed)
