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


def leader_that_stops_hands_over(bench):
        peers = bench.cluster(3)
        start(peers)
        for peer in peers:
                peer.ok('POST', f'/pins/{HELLO}')
        leader = next(p for p in peers if leader_of(p) == p.peer_id)
        others = [p for p in peers if p is not leader]
        leader.stop()
        text = leader.process.text()
        assert 'Handing over the leadership.' in text, text
        assert leader_of(leader) in [p.peer_id for p in others], text  # it has seen that before it ended
        others[0].ok('POST', f'/pins/{CAT}')
        for peer in others:
                peer.stop()


def leader_of(peer):
        """As its log says."""
        return peer.process.text().rpartition('The leader is ')[2].partition('.')[0]


def places(peer, cid):
        return set(peer.ok('GET', f'/allocations/{cid}')['allocations'])


def watchful(config):
        """What is lost is noticed within some seconds, and its pins are given to others."""
        config['cluster'].update(disable_repinning=False, monitor_ping_interval='300ms', replication_factor_min=2,
                                 replication_factor_max=2)
        config['monitor']['pubsubmon']['check_interval'] = '300ms'


def pins_of_a_lost_peer_are_given_to_others(bench):
        peers = bench.cluster(4, edit=watchful)
        start(peers)
        ids = {p.peer_id for p in peers}
        eventually(lambda: {m['peer'] for m in peers[0].ok('GET', '/monitor/metrics/freespace')} == ids, 'all have told their room')
        cids = [HELLO, CAT, 'QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn']
        for cid in cids:
                peers[0].ok('POST', f'/pins/{cid}')
                assert len(places(peers[0], cid)) == 2
        lost = next(p for p in peers if p.peer_id in places(peers[0], HELLO))
        before = {cid: places(peers[0], cid) for cid in cids}
        lost.kill()
        other = next(p for p in peers if p is not lost)
        for cid in cids:
                eventually(lambda: lost.peer_id not in places(other, cid), f'{cid} is given to another peer')
                now = places(other, cid)
                assert len(now) == 2 and before[cid] - {lost.peer_id} <= now, (before[cid], now)
        lost.start()
        for cid in cids:
                eventually(lambda: places(lost, cid) == places(other, cid), 'it hears of that when it is back')


def pins_stay_when_repinning_is_disabled(bench):
        peers = bench.cluster(3, edit=lambda c: (watchful(c), c['cluster'].update(disable_repinning=True)))
        start(peers)
        ids = {p.peer_id for p in peers}
        eventually(lambda: {m['peer'] for m in peers[0].ok('GET', '/monitor/metrics/freespace')} == ids, 'all have told their room')
        peers[0].ok('POST', f'/pins/{HELLO}')
        before = places(peers[0], HELLO)
        lost = next(p for p in peers if p.peer_id in before)
        other = next(p for p in peers if p is not lost)
        lost.kill()
        eventually(lambda: sum(a['name'] == 'ping' and a['peer'] == lost.peer_id for a in other.ok('GET', '/health/alerts')) > 0,
                   'there is an alert')
        assert places(other, HELLO) == before


run(any_peer_takes_requests, any_peer_may_be_killed, leader_that_stops_hands_over, pins_of_a_lost_peer_are_given_to_others,
    pins_stay_when_repinning_is_disabled)
