#!/usr/bin/env python3
"""Instances of the template on one host, which form a cluster, and ways into it and out of it, under a systemd that was booted for them (boot.py)."""
import contextlib
import json
import os
import shutil
import signal
import threading
import time

from machine import ETC, HELLO, KUBO, NAME, SystemBus, drop_in, edit, fresh, journal, main_pid, ok, show, systemctl, told
from cluster_test import comment, eventually, exchange, run

SECRET = '5a' * 32
NAMES = ('a', 'b', 'c')
ACTIVATION = '/usr/local/share/dbus-1/system-services/{name}.service'


class Instance:
        """ipfs-cluster@NAME, made by its init unit, and stopped."""

        def __init__(self, name):
                self.name = name
                self.unit, self.socket = f'ipfs-cluster@{name}.service', f'ipfs-cluster-api@{name}.socket'
                self.at, self.etc, self.state = f'/run/ipfs-cluster/{name}.sock', f'{ETC}-{name}', f'/var/lib/ipfs-cluster-{name}'
                self.bus_name = f'{NAME}.{name}'
                systemctl('start', f'ipfs-cluster-init@{name}.service')
                with open(f'{self.etc}/identity.json', encoding='utf-8') as f:
                        self.peer_id = json.load(f)['id']
                with open(f'{self.etc}/service.json', encoding='utf-8') as f:
                        self.port = json.load(f)['cluster']['listen_multiaddress'][0].split('/')[-1]

        @property
        def address(self):
                return f'/ip4/127.0.0.1/tcp/{self.port}/p2p/{self.peer_id}'

        def ok(self, method, path, **options):
                return ok(method, path, self.at, **options)

        def ctl(self, *words, status=0):
                return told('ipfs-cluster-ctl', '--instance', self.name, *words, status=status)

        def show(self, name):
                return show(name, self.unit)

        def members(self):
                return set(self.ok('GET', '/id')['cluster_peers'])

        def until_members(self, *peers):
                """As this one knows them, which has to come back first, and to catch up."""
                def known():
                        with contextlib.suppress(OSError, EOFError):
                                return self.members() == {p.peer_id for p in peers}
                        return False
                eventually(known, 'it knows the members')

        def statuses(self, cid):
                return {peer: info['status'] for peer, info in self.ok('GET', f'/pins/{cid}')['peer_map'].items()}

        def leads(self):
                return self.show('StatusText').startswith('Serving as leader')

        def lets(self, path):
                """Whether a request is answered, on a connection that may not be refused."""
                return exchange(self.at, 'GET', path).status == 200


def remove(*names):
        """As if they had never been."""
        fresh()
        for name in names:
                for folder in (f'{ETC}-{name}', f'/var/lib/ipfs-cluster-{name}'):
                        shutil.rmtree(folder, ignore_errors=True)
                with contextlib.suppress(FileNotFoundError):
                        os.unlink(f'/etc/credstore/ipfs-cluster-{name}.secret')


def keep_secret(*names):
        os.makedirs('/etc/credstore', mode=0o700, exist_ok=True)
        for name in names:
                with open(f'/etc/credstore/ipfs-cluster-{name}.secret', 'w', encoding='ascii') as f:
                        f.write(SECRET)


def make(bench, *names):
        """Instances that have nothing yet but one secret, and a Kubo."""
        remove(*names)
        bench.stand_in(port=KUBO)
        keep_secret(*names)
        return [Instance(n) for n in names]


def found(bench):
        """Three that found one cluster together, and serve."""
        peers = make(bench, *NAMES)
        for peer in peers:
                edit(lambda c: (c['cluster'].update(peer_addresses=[p.address for p in peers if p is not peer]),
                                c['consensus']['raft'].update(init_peerset=[p.peer_id for p in peers])), peer.etc)
        systemctl('start', *(p.unit for p in peers))
        return peers


class Asking:
        """Requests one after the other until it is stopped: none may be refused, or end without an answer."""

        def __init__(self, peer, path='/version'):
                self.peer, self.path = peer, path

        def __enter__(self):
                self.n, self.failures, self.longest, self.over = 0, [], 0, False
                self.thread = threading.Thread(target=self.ask)
                self.thread.start()
                return self

        def ask(self):
                while not self.over:
                        begun = time.monotonic()
                        try:
                                assert self.peer.lets(self.path)
                        except (AssertionError, OSError, EOFError, ValueError) as e:
                                self.failures.append(repr(e))
                        self.longest = max(self.longest, time.monotonic() - begun)
                        self.n += 1

        def __exit__(self, *_):
                self.over = True
                self.thread.join()


# ---- three of one host

def instances_form_a_cluster(bench):
        """What is pinned at one is pinned by all, and all are seen from each of them, on both roads."""
        peers = found(bench)
        ids = {p.peer_id for p in peers}
        peers[0].ctl('pin', 'add', '--wait', '--name', 'shared', HELLO)
        for peer in peers:
                peer.until_members(*peers)
                assert peer.ok('GET', f'/allocations/{HELLO}')['name'] == 'shared'
                eventually(lambda: set(peer.statuses(HELLO).values()) == {'pinned'} and set(peer.statuses(HELLO)) == ids, 'all have pinned it')
        leader = next(p.peer_id for p in peers if p.leads())
        eventually(lambda: sorted(p.show('StatusText').split(':')[0] for p in peers) == ['Serving as leader'] + [f'Serving, led by {leader}'] * 2, 'one leads, and is known')
        bus = SystemBus()
        for peer in peers:
                eventually(lambda: bus.is_owned(peer.bus_name), 'its name is owned')
                assert set(bus.call('GetStatus', 'sb', HELLO, 'false', name=peer.bus_name)['peer_map']) == ids
                assert {p['id'] for p in bus.call('ListPeers', name=peer.bus_name)} == ids
                eventually(lambda: len(told('busctl', 'tree', '--list', peer.bus_name).split('/peer/')) == len(ids) + 1, 'each is an object')
        for peer in peers:
                assert peer.ctl('status', HELLO) == peers[0].ctl('status', HELLO)


def lost_instance_comes_back(bench):
        """The others go on; it is started again by systemd, and has what came meanwhile. The leader is lost as well."""
        peers = found(bench)
        leader = next(p for p in peers if p.leads())
        for n, victim in enumerate((next(p for p in peers if p is not leader), leader)):
                others = [p for p in peers if p is not victim]
                pid = main_pid(victim.unit)
                os.kill(pid, signal.SIGKILL)
                cid = f'f01551220{n:064x}'
                others[0].ctl('pin', 'add', '--ns', cid)
                assert others[1].ok('GET', f'/allocations/{cid}')
                eventually(lambda: victim.show('ActiveState') == 'active' and main_pid(victim.unit) not in (0, pid), 'it is started again')
                assert victim.show('NRestarts') == '1'
                eventually(lambda: set(victim.statuses(cid).values()) == {'pinned'}, 'it has that pin, too')
        for peer in peers:
                peer.until_members(*peers)


def name_of_an_instance_starts_it(bench):
        """With the file for the bus that its manual tells of."""
        one, = make(bench, 'a')
        path = ACTIVATION.format(name=one.bus_name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w', encoding='ascii') as f:
                f.write(f'[D-BUS Service]\nName={one.bus_name}\nExec=/bin/false\nUser=ipfs-cluster\nSystemdService={one.unit}\n')
        try:
                bus = SystemBus()
                told('busctl', 'call', 'org.freedesktop.DBus', '/', 'org.freedesktop.DBus', 'ReloadConfig')
                assert one.show('ActiveState') == 'inactive'
                assert bus.call('Id', name=one.bus_name)['id'] == one.peer_id
                assert one.show('ActiveState') == 'active'
        finally:
                os.unlink(path)
                told('busctl', 'call', 'org.freedesktop.DBus', '/', 'org.freedesktop.DBus', 'ReloadConfig')


# ---- in and out

def instance_is_taken_in_and_put_out(bench):
        """It ends to join, which systemd takes for an end in order, and is started again; its socket is there all the time."""
        one, other = make(bench, 'a', 'b')
        systemctl('start', one.unit, other.unit)
        one.ctl('pin', 'add', '--wait', HELLO)
        with Asking(other) as asking:
                begun = time.monotonic()
                assert other.peer_id in one.ctl('peers', 'add', other.address)
                took = time.monotonic() - begun
                eventually(lambda: other.ok('GET', f'/pins/{HELLO}?local=true')['peer_map'][other.peer_id]['status'] == 'pinned', 'it has what the others have')
        comment([f'peers add took {took:.2f} s; {asking.n} requests meanwhile, the longest {asking.longest:.2f} s'])
        assert not asking.failures, asking.failures[:5]
        one.until_members(one, other)
        other.until_members(one, other)
        assert other.show('ActiveState') == 'active' and other.show('NRestarts') == '1'
        assert show('ActiveState', other.socket) == 'active'
        assert not [m for m in journal(unit=other.unit) if "Failed with result 'exit-code'" in m['MESSAGE']]
        assert os.path.isdir(f'{other.state}/raft.old.0')

        one.ctl('peers', 'rm', other.peer_id)
        eventually(lambda: other.show('ActiveState') == 'inactive', 'it has ended')
        assert other.show('ExecMainStatus') == '0' and other.show('Result') == 'success' and other.show('NRestarts') == '1'
        one.until_members(one)
        remove('a', 'b')


def restart_that_is_wanted_needs_no_setting(bench):
        """Restart= may be what the administrator likes."""
        one, other = make(bench, 'a', 'b')
        path = f'/run/systemd/system/{other.unit}.d/test.conf'
        drop_in(path, Restart='no')
        try:
                systemctl('start', one.unit, other.unit)
                one.ctl('peers', 'add', other.address)
                other.until_members(one, other)
        finally:
                os.unlink(path)
        remove('a', 'b')


def peer_without_sockets_joins_in_place(bench):
        """Then it runs its program again by itself, and systemd sees no end."""
        one, other = make(bench, 'a', 'b')
        port = 9199
        edit(lambda c: c['api']['restapi'].update(http_listen_multiaddress=f'/ip4/127.0.0.1/tcp/{port}'), other.etc)
        systemctl('mask', '--runtime', other.socket)
        try:
                systemctl('start', one.unit, other.unit)
                pid = main_pid(other.unit)
                one.ctl('peers', 'add', other.address)
                other.at = port
                other.until_members(one, other)
                assert other.show('ActiveState') == 'active' and other.show('NRestarts') == '0' and main_pid(other.unit) == pid
                eventually(lambda: other.show('StatusText').startswith('Serving, led by'), 'the status is told')
                systemctl('stop', other.unit)
                assert other.show('Result') == 'success'
        finally:
                systemctl('unmask', '--runtime', other.socket)
        remove('a', 'b')


def many_ways_in_do_not_end_it(bench):
        """In and out as often as somebody likes: the limit of starts is for those that fail."""
        one, other = make(bench, 'a', 'b')
        systemctl('start', one.unit, other.unit)
        for _ in range(4):
                one.ctl('peers', 'add', other.address)
                other.until_members(one, other)
                one.ctl('peers', 'rm', other.peer_id)
                eventually(lambda: other.show('ActiveState') == 'inactive', 'it has ended')
                other.until_members(other)  # the question starts it, alone
        assert show('ActiveState', other.socket) == 'active'
        remove('a', 'b')


def first_start_by_bootstrap(bench):
        """A drop-in says whom to join: it never was alone, and is not started twice."""
        one, other = make(bench, 'a', 'b')
        path = f'/run/systemd/system/{other.unit}.d/test.conf'
        drop_in(path, ExecStart=f'\nExecStart=/usr/bin/ipfs-cluster-service --config {other.etc} daemon --instance b --bootstrap {one.address}')
        try:
                systemctl('start', one.unit)
                systemctl('start', other.unit)
                other.until_members(one, other)
                assert other.show('NRestarts') == '0'
        finally:
                os.unlink(path)
        remove('a', 'b')


run(instances_form_a_cluster, lost_instance_comes_back, name_of_an_instance_starts_it, instance_is_taken_in_and_put_out, restart_that_is_wanted_needs_no_setting,
    peer_without_sockets_joins_in_place,    many_ways_in_do_not_end_it, first_start_by_bootstrap)
