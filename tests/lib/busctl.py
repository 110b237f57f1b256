"""busctl.py: the service on a bus, as busctl and libsystemd see it, and its answers compared with those over HTTP."""
import ctypes
import json
import os
import shutil
import subprocess

from cluster_test import PATIENCE, Skip
from private_bus import DBusDaemon

HELLO = 'QmccvEeJ1S95baJ6brLwNCKc6uq89vpVEoUGcEXc5FHhaX'
OTHER = 'QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn'
NAME, PATH = 'org.ipfs.Cluster', '/org/ipfs/Cluster'


class Bus:
        """What lies at an address, for who asks the service there."""

        def __init__(self, address, env):
                if not shutil.which('busctl'):
                        raise Skip('no busctl here')
                self.address, self.env = address, env
                self.called = set()  # the methods

        def busctl(self, *arguments):
                return subprocess.run(['busctl', '--json=short', *arguments], capture_output=True, text=True, timeout=PATIENCE,
                                      env={**os.environ, **self.env})

        def call(self, method, signature='', *arguments, path=PATH, interface=NAME, name=NAME):
                """The results as plain values, or the error's message as text."""
                self.called.add(method)
                done = self.busctl('call', name, path, interface, method, *([signature, *map(str, arguments)] if signature else []))
                if done.returncode:
                        return done.stderr.strip().removeprefix('Call failed: ')
                results = [plain(v) for v in json.loads(done.stdout)['data']] if done.stdout.strip() else []
                return results[0] if len(results) == 1 else results

        def is_owned(self, name=NAME):
                return self.busctl('status', name).returncode == 0

        def stream(self, method, signature='', *arguments, name=NAME):
                """The lines that come out of the pipe a method answers with."""
                self.called.add(method)
                lib = ctypes.CDLL('libsystemd.so.0')
                bus, reply, fd = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_int(-1)
                values = [a.encode() if isinstance(a, str) else ctypes.c_int(a) for a in arguments]
                check(lib.sd_bus_new(ctypes.byref(bus)))
                check(lib.sd_bus_set_address(bus, self.address.encode()))
                check(lib.sd_bus_set_bus_client(bus, 1))
                check(lib.sd_bus_negotiate_fds(bus, 1))
                check(lib.sd_bus_start(bus))
                check(lib.sd_bus_call_method(bus, name.encode(), PATH.encode(), NAME.encode(), method.encode(), None, ctypes.byref(reply),
                                             signature.encode(), *values))
                check(lib.sd_bus_message_read(reply, b'h', ctypes.byref(fd)))
                with os.fdopen(os.dup(fd.value), encoding='utf-8') as pipe:
                        lines = [json.loads(line) for line in pipe]
                lib.sd_bus_message_unref(reply)
                lib.sd_bus_flush_close_unref(bus)
                return lines


class PrivateBus(Bus):
        def __init__(self, bench):
                self.daemon = DBusDaemon(bench.folder)
                super().__init__(self.daemon.address, self.daemon.env)

        def start(self):
                self.daemon.start()

        def stop(self):
                self.daemon.stop()


def check(r):
        assert r >= 0, os.strerror(-r)


def plain(value):
        """busctl's {"type": …, "data": …} without the types."""
        if isinstance(value, dict) and set(value) == {'type', 'data'}:
                return plain(value['data'])
        if isinstance(value, dict):
                return {k: plain(v) for k, v in value.items()}
        return [plain(v) for v in value] if isinstance(value, list) else value


def without_null(value):
        """As the bus tells JSON: what is null is left out."""
        if isinstance(value, dict):
                return {k: without_null(v) for k, v in value.items() if v is not None}
        return [without_null(v) for v in value] if isinstance(value, list) else value


def same(bus, http, *ignored):
        """Equal, but for keys that two questions cannot share."""
        def clean(value):
                if isinstance(value, dict):
                        return {k: clean(v) for k, v in value.items() if k not in ignored}
                return [clean(v) for v in value] if isinstance(value, list) else value
        assert clean(bus) == clean(without_null(http)), f'bus: {bus}\nhttp: {http}'


def compare_all(bus, peer):
        """All methods but Reload, which HTTP does not have."""
        pinned = bus.call('Pin', 'sa{sv}', HELLO, 3, 'name', 's', 'a <name>', 'metadata', 'a{sv}', 1, 'k', 's', 'v', 'expire_at', 's', '2100-01-01T00:00:00Z')
        again = peer.ok('POST', f'/pins/{HELLO}?name=a%20%3Cname%3E&meta-k=v&expire-at=2100-01-01T00:00:00Z')
        same(pinned, again, 'timestamp')
        peer.until(HELLO, 'pinned')

        same(bus.call('Id'), peer.ok('GET', '/id'))
        same(bus.call('ListPeers'), peer.request('GET', '/peers').lines())
        same(bus.call('AddPeer', 's', peer.peer_id), peer.ok('POST', '/peers', body=json.dumps({'peer_id': peer.peer_id})))
        same(bus.call('GetPin', 's', HELLO), peer.ok('GET', f'/allocations/{HELLO}'))
        for local in ('false', 'true'):
                same(bus.call('GetStatus', 'sb', HELLO, local), peer.ok('GET', f'/pins/{HELLO}?local={local}'))
                same(bus.call('GetStatus', 'sb', OTHER, local), peer.ok('GET', f'/pins/{OTHER}?local={local}'), 'created', 'timestamp')
                same(bus.call('Recover', 'sb', HELLO, local), peer.ok('POST', f'/pins/{HELLO}/recover?local={local}'), 'timestamp')
        same(bus.call('Sync', 's', HELLO), peer.ok('POST', f'/pins/{HELLO}/sync'), 'timestamp')
        same(bus.call('GetConnectGraph'), peer.ok('GET', '/health/graph'))
        same(bus.call('ListMetrics'), peer.ok('GET', '/monitor/metrics'))
        same(bus.call('GetMetrics', 's', 'ping'), peer.ok('GET', '/monitor/metrics/ping'))
        same(bus.call('ListAlerts'), peer.ok('GET', '/health/alerts'))
        same(bus.call('CollectGarbage', 'b', 'true'), peer.ok('POST', '/ipfs/gc?local=true'))
        garbage, end = bus.stream('StreamGarbage', 'b', 1)
        assert garbage == peer.ok('POST', '/ipfs/gc?local=true') and end == {'end': 1}, garbage

        statuses = peer.request('GET', '/pins?local=true').lines()
        rows, after = bus.call('ListPins', 'su', '', 10)
        assert after == '' and [(r[0], r[1], r[2]) for r in rows] == [(s['cid'], s['name'], s['peer_map'][peer.peer_id]['status']) for s in statuses]

        for method, signature, arguments, path in (('StreamPins', 's', ['all'], '/allocations'), ('StreamStatus', 'sb', ['', 0], '/pins'),
                                                   ('StreamStatus', 'sb', ['pinned', 1], '/pins?local=true&filter=pinned')):
                lines = bus.stream(method, signature, *arguments)
                assert lines.pop() == {'end': 1}
                assert lines == peer.request('GET', path).lines(), method
        some = [OTHER, HELLO]
        lines = bus.stream('StreamStatusOf', 'asb', len(some), *some, 0)
        assert lines.pop() == {'end': len(some)}
        same(without_null(lines), peer.request('GET', f'/pins?cids={",".join(some)}').lines(), 'created', 'timestamp')
        for method, signature, arguments, path in (('SyncAll', '', [], '/pins/sync'), ('RecoverAll', 'b', [1], '/pins/recover?local=true')):
                lines = bus.stream(method, signature, *arguments)
                assert lines.pop() == {'end': len(lines)}
                response = peer.request('POST', path)
                assert lines == (response.json() if path == '/pins/sync' else response.lines()), method

        updated = bus.call('UpdatePin', 'ssa{sv}', HELLO, OTHER, 1, 'name', 's', 'new')
        same(updated, peer.ok('POST', f'/pins/{OTHER}?pin-update={HELLO}&name=new'), 'timestamp')
        same(bus.call('Unpin', 's', OTHER), again | {'cid': OTHER, 'pin_update': HELLO, 'name': 'new', 'origins': [], 'expire_at': updated['expire_at']},
             'timestamp', 'user_allocations', 'reference', 'mode', 'metadata')

        assert bus.call('Subscribe') == []
        assert bus.call('Unsubscribe') == 'you are not subscribed'  # each call is of a client of its own
        last = peer.request('DELETE', f'/peers/{peer.peer_id}').json()['message']
        label = f'_{ord(peer.peer_id[0]):02x}{peer.peer_id[1:]}' if peer.peer_id[0].isdecimal() else peer.peer_id
        assert last == bus.call('Leave') == bus.call('Remove', path=f'{PATH}/peer/{label}', interface=f'{NAME}.Peer'), last

        for bad, path in ((('Unpin', 's', OTHER), ('DELETE', f'/pins/{OTHER}')), (('GetPin', 's', OTHER), ('GET', f'/allocations/{OTHER}')),
                          (('RemovePeer', 's', peer.peer_id), ('DELETE', f'/peers/{peer.peer_id}')),
                          (('Pin', 'sa{sv}', OTHER, 1, 'replication_factor_min', 'x', 5), ('POST', f'/pins/{OTHER}?replication-min=5'))):
                told = peer.request(*path).json()['message']
                assert bus.call(*bad) == told, (bus.call(*bad), told)
