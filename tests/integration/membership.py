#!/usr/bin/env python3
"""Ways into a cluster and out of it: the quick start of the 2017 README step by step, and what can go wrong on them."""
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from cluster_test import PATIENCE, eventually, free_ports, run  # noqa: E402

CTL = os.environ['IPFS_CLUSTER_TEST_CTL']
HELLO = 'QmccvEeJ1S95baJ6brLwNCKc6uq89vpVEoUGcEXc5FHhaX'
CAT = 'QmSnuWmxptJZdLJpKRarxBMS2Ju2oANVrgbr2xWbie9b2D'
SECRET = 'a' * 64


def secret_of(secret):
        return lambda config: config['cluster'].update(secret=secret)


def watch(config):
        config['cluster'].update(secret=SECRET, peer_watch_interval='300ms')


def nodes(bench, n, edit=watch):
        """Peers that know nothing of each other but the secret."""
        return [bench.peer(name=f'node{i}', edit=edit) for i in range(n)]


def run_ctl(peer, *words):
        return subprocess.run([CTL, '--host', f'/ip4/127.0.0.1/tcp/{peer.port}', *words], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=PATIENCE * 2, check=False)


def ctl(peer, *words):
        done = run_ctl(peer, *words)
        assert done.returncode == 0, (words, done)
        return done.stdout


def members(peer):
        """As the peer knows them; nobody while it starts again."""
        with contextlib.suppress(OSError, EOFError):
                return set(peer.ok('GET', '/id').get('cluster_peers') or [])
        return set()


def has_members(peer, *others):
        expected = {p.peer_id for p in (peer, *others)}
        eventually(lambda: members(peer) == expected, f'{peer.name} has {len(expected)} members')


def allocations(peer):
        return {pin['cid'] for pin in peer.get('/allocations').lines()}


def add(peer, other, status=200):
        """POST /peers as in 2017, with an address."""
        answer = peer.post('/peers', body='{"peer_multiaddress": "%s"}' % other.address(), timeout=PATIENCE * 2)
        assert answer.status == status, answer
        return answer.json()


def joined(*peers):
        for peer in peers:
                has_members(peer, *(p for p in peers if p is not peer))


def old_states(peer):
        return sorted(name for name in os.listdir(peer.folder) if name.startswith('raft.old.'))


def ended(peer, status):
        eventually(lambda: not peer.process.running(), f'{peer.name} ends by itself')
        assert peer.process.popen.returncode == status, peer.process.popen.returncode


# ---- the quick start

def quick_start_of_2017(bench):
        node0, node1 = nodes(bench, 2)
        node0.start()
        node1.start()
        joined(node0)
        joined(node1)

        out = ctl(node0, 'peers', 'add', node1.address())
        assert node1.peer_id in out, out
        joined(node0, node1)
        for node in (node0, node1):
                out = ctl(node, 'peers', 'ls')
                assert node0.peer_id in out and node1.peer_id in out, out
        assert old_states(node1) == ['raft.old.0'], 'what it was is kept'

        ctl(node1, 'pin', 'add', '--wait', HELLO)
        eventually(lambda: HELLO in allocations(node0), 'node0 has the pin of node1')
        out = ctl(node0, 'status', HELLO)
        assert re.search(r'> node0 +: PINNED', out) or node0.until(HELLO, 'pinned'), out

        ctl(node0, 'peers', 'rm', node1.peer_id)
        ended(node1, 0)
        assert 'removed from its cluster' in node1.process.text()
        joined(node0)
        assert old_states(node1) == ['raft.old.0', 'raft.old.1']

        node1.start()
        joined(node1)
        assert not allocations(node1), 'a new empty peer'
        ctl(node0, 'peers', 'add', node1.address())
        joined(node0, node1)
        eventually(lambda: HELLO in allocations(node1), 'it has the pins again')
        node1.stop()
        node0.stop()


def bootstraps_as_it_starts(bench):
        node0, node1, node2 = nodes(bench, 3)
        node0.start()
        node0.ok('POST', f'/pins/{HELLO}')
        node1.start('--bootstrap', node0.address())
        joined(node0, node1)
        eventually(lambda: HELLO in allocations(node1), 'it has the pins')

        node2.start()  # has a state of its own, which is empty
        node2.stop()
        node2.launch('--bootstrap', node1.address())
        eventually(lambda: len(members(node0)) == 3, 'the third joins by way of the second')
        joined(node0, node1, node2)
        assert old_states(node2) == ['raft.old.0']
        for node in (node1, node2):  # what is there already is not joined again
                node.stop()
                node.start('--bootstrap', node0.address())
                joined(node0, node1, node2)
        assert old_states(node2) == ['raft.old.0']


# ---- refusals

def wrong_secret(bench):
        node0, node1 = nodes(bench, 2)
        node1.edit(secret_of('b' * 64))
        node0.start()
        node1.start()
        error = add(node0, node1, status=403)
        assert 'secret' in error['message'], error
        joined(node0)
        joined(node1)
        node1.stop()

        os.rename(os.path.join(node1.folder, 'raft'), os.path.join(node1.folder, 'before'))
        node1.launch('--bootstrap', node0.address())
        ended(node1, 1)
        assert 'secret' in node1.process.text()
        joined(node0)
        assert 'it does not know the cluster secret' in node0.process.text()


def keeps_its_pins(bench):
        node0, node1 = nodes(bench, 2)
        node0.start()
        node1.start()
        node1.ok('POST', f'/pins/{CAT}')
        error = add(node0, node1, status=500)
        assert 'has pins of its own (1)' in error['message'], error
        joined(node1)
        assert CAT in allocations(node1) and old_states(node1) == []


def is_elsewhere(bench):
        node0, node1, node2 = nodes(bench, 3)
        for node in (node0, node1, node2):
                node.start()
        add(node1, node2)
        joined(node1, node2)
        error = add(node0, node2, status=500)
        assert 'in a cluster of 2 peers' in error['message'], error
        joined(node0)


def cannot_be_reached(bench):
        node0, node1 = nodes(bench, 2)
        node0.start()
        error = add(node0, node1, status=500)
        assert 'cannot reach' in error['message'], error
        answer = node0.post('/peers', body='{"peer_id": "%s"}' % node1.peer_id)
        assert answer.status in (404, 500) and 'no address' in answer.json()['message'], answer
        node1.launch('--bootstrap', node1.address())
        ended(node1, 1)
        assert 'no address of another peer' in node1.process.text()
        node1.launch('--bootstrap', f'/ip4/127.0.0.1/tcp/{free_ports(1)[0]}')
        node1.until_told(lambda line: line.startswith('STATUS=Joining a cluster: '))
        assert node1.process.stop() == 0, 'a signal ends it'
        assert not os.path.exists(os.path.join(node1.folder, 'raft'))
        node0.stop()


# ---- ways out

def remove(peer, other):
        """A leader begins again when a new voter is killed before it has acknowledged its promotion."""
        def removed():
                with contextlib.suppress(OSError, EOFError):
                        return peer.delete(f'/peers/{other.peer_id}', timeout=PATIENCE * 2).status == 204
                return False

        eventually(removed, f'{other.name} is removed')


def removed_while_away(bench):
        node0, node1, node2 = nodes(bench, 3)
        for node in (node0, node1, node2):
                node.start()
        add(node0, node1)
        add(node0, node2)
        joined(node0, node1, node2)
        node2.kill()
        remove(node0, node2)
        joined(node0, node1)
        node2.launch()
        ended(node2, 0)
        assert 'was removed from its cluster' in node2.process.text()
        node2.start()
        add(node1, node2)
        joined(node0, node1, node2)


def removed_from_those_who_began(bench):
        """init_peerset still names all of them: who was removed begins alone all the same."""
        node0, node1, node2 = bench.cluster(3, edit=watch)
        for node in (node0, node1, node2):
                node.launch()
        joined(node0, node1, node2)
        assert node0.delete(f'/peers/{node2.peer_id}', timeout=PATIENCE * 2).status == 204
        ended(node2, 0)
        node2.start('--bootstrap', node0.address())  # now it may ask them
        joined(node0, node1, node2)
        assert node0.delete(f'/peers/{node2.peer_id}', timeout=PATIENCE * 2).status == 204
        ended(node2, 0)
        node2.start()
        joined(node2)
        add(node0, node2)
        joined(node0, node1, node2)


def leaves_on_shutdown(bench):
        node0, node1 = nodes(bench, 2)
        node0.start()
        node1.start()
        add(node0, node1)
        joined(node0, node1)
        node1.stop()
        node1.start('--leave')
        joined(node0, node1)
        node1.stop()
        joined(node0)
        assert old_states(node1) == ['raft.old.0', 'raft.old.1']
        node0.stop()
        node0.start('--leave')  # alone there is nothing to leave
        node0.stop()
        assert old_states(node0) == []


def removing(bench):
        node0, node1 = nodes(bench, 2)
        node0.start()
        answer = node0.delete(f'/peers/{node0.peer_id}')
        assert answer.status == 500 and 'cannot remove ourselves from a 1-peer cluster' in answer.json()['message'], answer
        assert node0.delete(f'/peers/{node1.peer_id}').status == 204, 'who is no member, is none'
        joined(node0)


# ---- killed between the steps

def killed_while_it_joins(bench):
        """At any moment after it has accepted. What was not finished, it goes on with; or it stays alone, and can be added."""
        node0, node1 = nodes(bench, 2)
        node0.start()
        for step in range(5):
                node1.start()
                joined(node1)
                asked = subprocess.Popen([CTL, '--host', f'/ip4/127.0.0.1/tcp/{node0.port}', 'peers', 'add', node1.address()],
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                eventually(lambda: node1.process.text().count('joining the cluster of peer') > step, 'it has accepted', pause=0.002)
                time.sleep(0.04 * step)
                node1.kill()
                node1.launch()
                asked.wait(PATIENCE * 2)
                eventually(lambda: run_ctl(node0, 'peers', 'add', node1.address()).returncode == 0, 'it is added, if it is not there yet')
                joined(node0, node1)
                assert node0.delete(f'/peers/{node1.peer_id}', timeout=PATIENCE * 2).status == 204
                ended(node1, 0)
                joined(node0)


def quorum_lost_for_good(bench):
        nodes3 = node0, node1, node2 = bench.cluster(3, edit=watch)
        for node in nodes3:
                node.launch()
        joined(*nodes3)
        node0.ok('POST', f'/pins/{HELLO}')
        node1.ok('POST', f'/pins/{CAT}')
        for node in nodes3:
                eventually(lambda: allocations(node) == {HELLO, CAT}, 'all have the pins')
        for node in nodes3:
                node.kill()
        for node in nodes3:  # each can tell what it has
                out, _ = node.offline('state', 'export')
                assert HELLO in out and CAT in out, out
        out, _ = node0.offline('state', 'recover-quorum', input='n\n')
        assert 'This peer is one of 3' in out and 'are lost' in out, out
        assert old_states(node0) == []
        node0.offline('state', 'recover-quorum', '--force')
        assert old_states(node0) == ['raft.old.0']
        node0.offline('state', 'recover-quorum')  # it is alone now
        assert sorted(os.listdir(node0.folder)) == sorted(set(os.listdir(node0.folder)) - {'recover.json', 'raft.read', 'read.new'})
        node0.start()
        joined(node0)
        assert allocations(node0) == {HELLO, CAT}

        node1.offline('state', 'cleanup', '--force')
        node1.edit(lambda config: config['consensus']['raft'].update(init_peerset=[]))
        node1.start()
        add(node0, node1)
        joined(node0, node1)
        eventually(lambda: allocations(node1) == {HELLO, CAT}, 'it has the pins again')


# ---- a lost disk

def lose_disk(node):
        """All but who it is and what it was told to do; not even where the others were."""
        node.kill()
        for name in os.listdir(node.folder):
                path = os.path.join(node.folder, name)
                if os.path.isdir(path):
                        shutil.rmtree(path)
                elif name not in ('service.json', 'identity.json'):
                        os.unlink(path)


def pins_of_two(bench):
        """Three peers; the first two have acknowledged pins that the third knows nothing of, and all are down."""
        nodes3 = node0, node1, node2 = bench.cluster(3, edit=watch)
        for node in nodes3:
                node.launch()
        joined(*nodes3)
        for node in nodes3:
                assert 'without an answer' not in node.process.text(), 'nobody waits for who is there'
        eventually(lambda: os.path.getsize(os.path.join(node2.folder, 'raft', 'disks')) == 24 + 2 * 24, 'it knows both disks')
        node2.kill()
        node0.ok('POST', f'/pins/{HELLO}')
        node1.ok('POST', f'/pins/{CAT}')
        node1.kill()
        lose_disk(node0)
        return nodes3


def init_peerset(node):
        with open(os.path.join(node.folder, 'service.json'), encoding='utf-8') as f:
                return json.load(f)['consensus']['raft']['init_peerset']


def nothing_is_lost(nodes3):
        """Without the one that knows, nothing is decided; then all know."""
        node0, node1, node2 = nodes3
        peerset = init_peerset(node0)
        node0.until_told(lambda line: line.startswith('STATUS=Joining a cluster: '))
        assert 'has lost its disk' in node0.process.text()
        assert node2.process.running() and 'The leader is' not in node2.process.text().rpartition('Initializing')[2]
        node1.start()
        joined(*nodes3)
        for node in nodes3:
                eventually(lambda: allocations(node) == {HELLO, CAT}, 'nothing is lost')
        assert init_peerset(node0) == peerset and len(peerset) == 3
        node0.stop()
        node0.start()
        joined(*nodes3)


def lost_disk(bench):
        nodes3 = node0, _, node2 = pins_of_two(bench)
        node2.launch()
        node2.serving()
        node0.launch()
        nothing_is_lost(nodes3)
        assert old_states(node0) == [], 'it has not begun'


def lost_disk_seen_later(bench):
        """Nobody is there when it begins: who comes then does not listen to it."""
        nodes3 = node0, _, node2 = pins_of_two(bench)
        node0.launch()
        eventually(lambda: 'without an answer of 2 of the 2 others' in node0.process.text(), 'it begins anew')
        node2.launch()
        eventually(lambda: old_states(node0) == ['raft.old.0'], 'it hears of it')
        nothing_is_lost(nodes3)


run(quick_start_of_2017, bootstraps_as_it_starts, wrong_secret, keeps_its_pins, is_elsewhere, cannot_be_reached,
    removed_while_away, removed_from_those_who_began, leaves_on_shutdown, removing, killed_while_it_joins, quorum_lost_for_good,
    lost_disk, lost_disk_seen_later)
