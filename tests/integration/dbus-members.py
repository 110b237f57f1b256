#!/usr/bin/env python3
"""Three peers of one cluster on one private bus, each by its instance: what the bus tells of the members."""
import contextlib
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from busctl import HELLO, NAME, OTHER, PATH, PrivateBus, plain, same, without_null  # noqa: E402
from cluster_test import eventually, run  # noqa: E402

INSTANCES = ('one', 'two', 'three')


def name_of(instance):
        return f'{NAME}.{instance}'


class Members:
        def __init__(self, bench):
                self.bus = PrivateBus(bench)
                self.peers = bench.cluster(3)
                for peer, instance in zip(self.peers, INSTANCES):
                        peer.launch('--instance', instance, env=self.bus.env)
                for peer in self.peers:
                        peer.ready()
                for instance in INSTANCES:
                        eventually(lambda: self.bus.is_owned(name_of(instance)), f'{instance} is on the bus')

        def __enter__(self):
                return self

        def __exit__(self, *_):
                for peer in self.peers:
                        if peer.process.running():
                                peer.stop()
                self.bus.stop()

        def objects(self, instance):
                """{peer ID: properties} as the object manager tells them."""
                done = self.bus.busctl('call', name_of(instance), PATH, 'org.freedesktop.DBus.ObjectManager', 'GetManagedObjects')
                assert done.returncode == 0, done.stderr
                found = [plain(o[f'{NAME}.Peer']) for o in plain(json.loads(done.stdout)['data'])[0].values() if f'{NAME}.Peer' in o]
                return {o['Id']: o for o in found}

        def until(self, instance, holds, what):
                try:
                        eventually(lambda: holds(self.objects(instance)), what)
                except AssertionError as e:
                        raise AssertionError(f'{what}: {self.objects(instance)}') from e

        @contextlib.contextmanager
        def watch(self, signal, interface=NAME):
                """Lines of busctl monitor about this signal, as they come."""
                match = [f"--match=type='signal',sender='{name_of('one')}',interface='{interface}',member='{signal}'"]
                process = subprocess.Popen(['stdbuf', '-oL', 'busctl', 'monitor', '--json=short', *match], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                           env={**os.environ, **self.bus.env})
                assert 'Monitoring' in process.stderr.readline()
                try:
                        yield process.stdout
                finally:
                        process.kill()
                        process.wait()
                        process.stdout.close()
                        process.stderr.close()


def every_member_is_an_object(bench):
        with Members(bench) as m:
                ids = {p.peer_id for p in m.peers}
                for instance, peer in zip(INSTANCES, m.peers):
                        m.until(instance, lambda objects: set(objects) == ids and all(o['Reachable'] for o in objects.values()), 'all are there')
                        objects = m.objects(instance)
                        assert objects[peer.peer_id]['Name'] == peer.name
                        assert sorted(o['Role'] for o in objects.values()) == ['follower', 'follower', 'leader'], objects
                        eventually(lambda: all(o['LastSeen'] > 0 for o in m.objects(instance).values()), 'metrics are told')


def who_is_removed_is_told(bench):
        with Members(bench) as m:
                ids = {p.peer_id for p in m.peers}
                m.until('one', lambda objects: set(objects) == ids and all(o['Reachable'] for o in objects.values()), 'all are there')
                victim = m.peers[2]
                with m.watch('PeerRemoved') as signals:
                        assert m.bus.call('RemovePeer', 's', victim.peer_id, name=name_of('one')) == []
                        m.until('one', lambda objects: victim.peer_id not in objects, 'it is a member no more')
                        told = signals.readline()
                        assert victim.peer_id in told and 'PeerRemoved' in told, told
                victim.process.kill()


def who_is_added_is_told(bench):
        """With its addresses, at once; its name follows with its greeting."""
        with Members(bench) as m:
                added = bench.peer(name='added', edit=lambda c: c['cluster'].update(secret='c' * 64)).start()
                with m.watch('InterfacesAdded', 'org.freedesktop.DBus.ObjectManager') as signals:
                        assert m.bus.call('AddPeer', 's', added.address(), name=name_of('one'))['id'] == added.peer_id
                        told = signals.readline()
                        assert added.peer_id in told and added.address() in told, told
                m.until('one', lambda objects: objects[added.peer_id]['Name'] == 'added' and objects[added.peer_id]['Reachable'], 'it is there')
                added.stop()


def who_cannot_be_asked_is_known(bench):
        """By what was written down when it was there."""
        with Members(bench) as m:
                one, two, three = m.peers
                m.until('one', lambda objects: three.peer_id in objects and objects[three.peer_id]['Reachable'], 'all are there')
                three.stop()
                one.stop()
                one.start('--instance', 'one', env=m.bus.env)
                m.until('one', lambda objects: two.peer_id in objects and objects[two.peer_id]['Reachable'], 'it has asked the others')
                away = m.objects('one')[three.peer_id]
                assert away['Addresses'] == [three.address()] and not away['Reachable'], away


def who_does_not_answer_is_known_by_its_greeting(bench):
        with Members(bench) as m:
                one, _, three = m.peers
                one.stop()
                three.kubo.fault('id', 'hang')  # so does the answer to who it is
                one.start('--instance', 'one', env=m.bus.env)
                m.until('one', lambda objects: three.peer_id in objects and objects[three.peer_id]['Name'] == three.name, 'its name is known')
                known = m.objects('one')[three.peer_id]
                assert known['Addresses'] == [three.address()] and known['IpfsId'] == '', known
                three.kubo.fault('id')


def compare_of_all(m, instance, peer, cids):
        """What asks all peers, over the bus and over HTTP."""
        name = name_of(instance)
        same(m.bus.call('ListPeers', name=name), peer.request('GET', '/peers').lines())
        same(m.bus.call('GetConnectGraph', name=name), peer.ok('GET', '/health/graph'))
        peer.ok('POST', '/ipfs/gc')  # what there is goes once
        same(m.bus.call('CollectGarbage', 'b', 'false', name=name), peer.ok('POST', '/ipfs/gc'))
        for cid in cids:
                same(m.bus.call('GetStatus', 'sb', cid, 'false', name=name), peer.ok('GET', f'/pins/{cid}'), 'timestamp', 'created')
        for filter in '', 'pinned', 'pin_error', 'cluster_error,remote':
                lines = m.bus.stream('StreamStatus', 'sb', filter, 0, name=name)
                assert lines.pop() == {'end': len(lines)}
                same(without_null(lines), peer.request('GET', f'/pins?filter={filter}').lines(), 'timestamp')
        lines = m.bus.stream('StreamStatusOf', 'asb', len(cids), *cids, 0, name=name)
        assert lines.pop() == {'end': len(cids)}
        same(without_null(lines), peer.request('GET', f'/pins?cids={",".join(cids)}').lines(), 'timestamp', 'created')


def answers_of_all_peers_are_those_of_http(bench):
        """Each peer is asked; then one is lost, whose answers are missing on both roads in the same words."""
        with Members(bench) as m:
                one, two, three = m.peers
                failing, nowhere = f'f01551220{"ab" * 32}', f'f01551220{"cd" * 32}'
                two.kubo.fault('pin/add', 'status', status=500, message='no such luck', cid=failing)
                one.pin(HELLO)
                one.pin(OTHER, f'replication=1&user-allocations={one.peer_id}')
                cids = [HELLO, OTHER, one.ok('POST', f'/pins/{failing}')['cid'], nowhere]
                two.until(HELLO, 'pinned')
                three.until(HELLO, 'pinned')
                for peer in m.peers:
                        peer.until(cids[2], 'pinned', 'pin_error')
                for instance, peer in zip(INSTANCES, m.peers):
                        compare_of_all(m, instance, peer, cids)
                three.kill()
                for instance, peer in zip(INSTANCES[:2], m.peers):
                        eventually(lambda: peer.ok('GET', f'/pins/{HELLO}')['peer_map'][three.peer_id]['status'] == 'cluster_error', 'its loss is known')
                        compare_of_all(m, instance, peer, cids)


run(every_member_is_an_object, who_is_removed_is_told, who_is_added_is_told, who_cannot_be_asked_is_known, who_does_not_answer_is_known_by_its_greeting,
    answers_of_all_peers_are_those_of_http)
