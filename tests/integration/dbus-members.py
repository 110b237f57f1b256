#!/usr/bin/env python3
"""Three peers of one cluster on one private bus, each by its instance: what the bus tells of the members."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from busctl import NAME, PATH, PrivateBus, plain  # noqa: E402
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

        def watch(self, *signals):
                """Lines of busctl monitor about these signals, as they come."""
                match = [f"--match=type='signal',sender='{name_of('one')}',interface='{NAME}',member='{s}'" for s in signals]
                process = subprocess.Popen(['stdbuf', '-oL', 'busctl', 'monitor', '--json=short', *match], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                           env={**os.environ, **self.bus.env})
                return process


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
                signals = m.watch('PeerRemoved')
                try:
                        victim = m.peers[2]
                        assert m.bus.call('RemovePeer', 's', victim.peer_id, name=name_of('one')) == []
                        m.until('one', lambda objects: victim.peer_id not in objects, 'it is a member no more')
                        told = signals.stdout.readline()
                        assert victim.peer_id in told and 'PeerRemoved' in told, told
                finally:
                        signals.kill()
                        signals.wait()
                        signals.stdout.close()
                victim.process.kill()


run(every_member_is_an_object, who_is_removed_is_told)
