#!/usr/bin/env python3
"""A peer that was away for longer than the log remembers: a snapshot of another peer, then the log."""
import base64
import contextlib
import hashlib
import http.client
import json
import os
import signal
import sys
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from cluster_test import PATIENCE, eventually, run  # noqa: E402

PINS = 2500
NAME = 'n' * 8000  # each: a snapshot of 20 MB, which takes its time
TRAILING = 32


def cid_of(text):
        digest = bytes([0x01, 0x55, 0x12, 0x20]) + hashlib.sha256(text.encode()).digest()
        return 'b' + base64.b32encode(digest).decode().lower().rstrip('=')


def forgetful(config):
        """Snapshots often, of which little of the log is left."""
        config['consensus']['raft'].update(trailing_logs=TRAILING, snapshot_threshold=64, snapshot_interval='500ms')


def start(peers):
        for peer in peers:
                peer.launch()
        for peer in peers:
                peer.ready()


def pin_many(peer, first, holder):
        """For the Kubo of HOLDER, which has ended: the others have other things to do."""
        cids = [cid_of(f'pin {n}') for n in range(first, first + PINS)]
        lines = [json.dumps({'cid': cid, 'name': NAME, 'allocations': [holder.peer_id], 'replication_factor_min': 1,
                             'replication_factor_max': 1, 'type': 'pin', 'max_depth': -1}) for cid in cids]
        for at in range(0, PINS, 500):
                peer.ok('POST', '/allocations', body='\n'.join(lines[at:at + 500]) + '\n')
        return set(cids)


def allocations(peer):
        with contextlib.suppress(OSError, http.client.HTTPException):
                with urllib.request.urlopen(f'http://127.0.0.1:{peer.port}/allocations', timeout=PATIENCE) as answer:
                        return {json.loads(line)['cid'] for line in answer}
        return set()


def has_all(peer, cids):
        """The list is long, and the peer has other things to do."""
        eventually(lambda: allocations(peer) >= cids, f'{peer.name} has all pins', patience=3 * PATIENCE)


def snapshots(peer):
        raft = os.path.join(peer.folder, 'raft')
        return sorted(n for n in os.listdir(raft) if n.startswith('snapshot-') and n[9:].isdecimal())


def has_new_snapshot(peer, before):
        return snapshots(peer) and snapshots(peer)[-1] > before


def make_gap(peers, victim, pins):
        """VICTIM is away while PINS are pinned, and what the others have of the log begins after that."""
        others = [p for p in peers if p is not victim]
        before = (snapshots(others[0]) or [''])[-1]
        victim.kill()
        others[1].kubo.stop()
        cids = pin_many(others[0], pins, others[1])
        for peer in others:
                has_all(peer, cids)
        for n in range(2 * TRAILING + 64):  # each an entry of its own
                others[0].ok('POST', f'/pins/{cid_of(f"one {pins} {n % 3}")}?name={n}')
        for peer in others:
                eventually(lambda: has_new_snapshot(peer, before), 'there is a new snapshot')
        return cids


def receiving(victim):
        return os.path.exists(os.path.join(victim.folder, 'raft', 'snapshot.received', 'pins.dump'))


def launch_into_transfer(victim):
        """Start, and return when some of the snapshot has come; False when it was too fast to be seen."""
        here = victim.process.text().count(' is here, ')
        victim.launch()
        end = time.monotonic() + PATIENCE / 2
        while not receiving(victim):
                if time.monotonic() > end or victim.process.text().count(' is here, ') > here:
                        return False
                time.sleep(0.001)
        return True


def comes_back(bench):
        peers = bench.cluster(3, edit=forgetful)
        start(peers)
        victim = peers[2]
        cids = make_gap(peers, victim, 0)
        victim.start()
        has_all(victim, cids)
        assert 'taking snapshot' in victim.process.text()
        eventually(lambda: not receiving(victim), 'nothing is left of the transfer')
        # It is told of what came with the snapshot, so that its Kubo has what is everybody's.
        for n in range(3):
                victim.until(cid_of(f'one 0 {n}'), 'pinned')
        # And it takes part again.
        peers[0].ok('POST', f'/pins/{cid_of("later")}')
        eventually(lambda: cid_of('later') in allocations(victim), 'it hears of what comes later')
        for peer in peers:
                peer.stop()


def is_killed_meanwhile(bench):
        peers = bench.cluster(3, edit=forgetful)
        start(peers)
        victim, cids, seen = peers[2], set(), 0
        for pins in range(0, 3 * PINS, PINS):
                cids |= make_gap(peers, victim, pins)
                while launch_into_transfer(victim) and seen < 2:
                        seen += 1
                        victim.kill()
                victim.kill()
                if seen == 2:
                        break
        assert seen > 0, 'no transfer was ever seen'
        victim.start()
        has_all(victim, cids)
        eventually(lambda: not receiving(victim), 'nothing is left of the transfer')
        for peer in peers:
                peer.stop()


def leader_is_killed_meanwhile(bench):
        peers = bench.cluster(3, edit=forgetful)
        start(peers)
        victim = peers[2]
        cids = make_gap(peers, victim, 0)
        launch_into_transfer(victim)
        leader = next(p for p in peers[:2] if leads(p))
        leader.kill()
        has_all(victim, cids)  # from the next leader
        leader.launch()
        leader.serving()
        for peer in peers:
                peer.stop()


def sender_stands_still_meanwhile(bench):
        peers = bench.cluster(3, edit=forgetful)
        start(peers)
        victim = peers[2]
        cids = make_gap(peers, victim, 0)
        leader = next(p for p in peers[:2] if leads(p))
        launch_into_transfer(victim)
        leader.process.popen.send_signal(signal.SIGSTOP)
        try:
                has_all(victim, cids)  # from the next leader
        finally:
                leader.process.popen.send_signal(signal.SIGCONT)
        for peer in peers:
                peer.stop()


def leads(peer):
        return peer.process.text().rpartition('The leader is ')[2].partition('.')[0] == peer.peer_id


run(comes_back, is_killed_meanwhile, leader_is_killed_meanwhile, sender_stands_still_meanwhile)
