#!/usr/bin/env python3
"""The installed units on the system bus, and on that of a user, under a systemd that was booted for them (boot.py)."""
import contextlib
import os
import pty
import pwd
import re
import select
import shutil
import subprocess
import time

from machine import (API, ETC, HELLO, KUBO, SOCKET, UNIT, SystemBus, cleanup, edit, explained, fresh, get, journal, messages, ok, show, systemctl, told)
from busctl import NAME, OTHER, PATH, compare_all
from cluster_test import LIB, PATIENCE, Skip, eventually, exchange, run

NOWHERE = 'f01551220' + 'ab' * 32
ALIAS = 'dbus-org.ipfs.Cluster.service'


class Installed:
        """The peer of the host, as busctl.compare_all() wants one."""

        def __init__(self):
                self.peer_id = self.ok('GET', '/id')['id']

        def request(self, method, path, **options):
                return exchange(API, method, path, **options)

        def ok(self, method, path, **options):
                return ok(method, path, **options)

        def until(self, cid, status):
                eventually(lambda: self.ok('GET', f'/pins/{cid}?local=true')['peer_map'][self.peer_id]['status'] == status, f'{cid} is {status}')


def start(bench):
        fresh()
        bench.stand_in(port=KUBO)
        systemctl('start', UNIT)
        bus = SystemBus()
        eventually(bus.is_owned, 'the name is owned')
        return bus


@contextlib.contextmanager
def edited(change):
        """service.json so, for a while; who owns it stays."""
        with open(f'{ETC}/service.json', encoding='utf-8') as f:
                before = f.read()
        try:
                edit(change)
                yield
        finally:
                with open(f'{ETC}/service.json', 'w', encoding='utf-8') as f:
                        f.write(before)


def as_user(name, *command, status=0):
        user = pwd.getpwnam(name)
        env = {'PATH': os.environ['PATH'], 'HOME': user.pw_dir, 'XDG_RUNTIME_DIR': f'/run/user/{user.pw_uid}'}
        return told('setpriv', f'--reuid={user.pw_uid}', f'--regid={user.pw_gid}', '--init-groups', *command, env=env, status=status)


def call_as(name, method, *arguments, status=0):
        return as_user(name, 'busctl', 'call', NAME, PATH, NAME, method, *arguments, status=status)


# ---- calls

def answers_are_those_of_http(bench):
        bus, methods = start(bench), set()
        compare_all(bus, Installed())
        for interface in NAME, f'{NAME}.Peer':
                with open(f'/run/source/dbus/{interface}.xml', encoding='utf-8') as f:
                        methods |= set(re.findall(r'<method name="(\w+)"', f.read()))
        assert methods - bus.called == {'Reload'}, methods - bus.called
        cleanup()


def every_member_is_there(bench):
        """What busctl shows of the objects is what their XML says."""
        bus = start(bench)
        for interface, path in ((NAME, PATH), (f'{NAME}.Peer', told('busctl', 'tree', '--list', NAME).split()[-1])):
                with open(f'/run/source/dbus/{interface}.xml', encoding='utf-8') as f:
                        expected = set(re.findall(r'<(method|property|signal) name="(\w+)"', f.read()))
                lines = [line.split() for line in told('busctl', 'introspect', NAME, path, interface).splitlines()[1:]]
                assert {(kind, name.lstrip('.')) for name, kind, *_ in lines} == expected, lines
        assert bus.call('Get', 'ss', NAME, 'PeerId', interface='org.freedesktop.DBus.Properties') == ok('GET', '/id')['id']


def call_starts_the_peer(bench):
        fresh()
        systemctl('preset', UNIT, SOCKET)
        try:
                assert show('ActiveState') == 'inactive'
                peer = SystemBus().call('Id')
                assert show('ActiveState') == 'active'
                assert peer['id'] == ok('GET', '/id')['id']
                fresh()
                assert 'Id' in told('busctl', 'introspect', NAME, PATH)
                assert show('ActiveState') == 'active'
        finally:
                systemctl('disable', UNIT, SOCKET)
        fresh()
        said = SystemBus().call('Id')  # not enabled, not started
        assert ALIAS in said, said
        assert show('ActiveState') == 'inactive'


def refused(said):
        """There is nobody who could be asked for a password."""
        assert 'nteractive authentication' in said, said


def polkit_decides(bench):
        bus = start(bench)
        told('useradd', 'alice')
        told('useradd', '--groups', 'ipfs-cluster', 'bob')
        refused(call_as('alice', 'Pin', 'sa{sv}', HELLO, '0', status=1))
        assert HELLO not in call_as('alice', 'ListPins', 'su', '', '10')  # reading is open
        assert HELLO in call_as('bob', 'Pin', 'sa{sv}', HELLO, '0')
        refused(call_as('alice', 'Unpin', 's', HELLO, status=1))
        refused(call_as('alice', 'Reload', status=1))
        call_as('bob', 'Reload')
        assert bus.call('Unpin', 's', HELLO)['cid'] == HELLO  # root is not asked for


def command_line_takes_the_bus(bench):
        """The service is started by the question, polkit is asked, and its refusal is no reason to try HTTP."""
        fresh()
        bench.stand_in(port=KUBO)
        SystemBus()
        for user in 'erin', 'frank':
                subprocess.run(['useradd', *(['--groups', 'ipfs-cluster'] if user == 'frank' else []), user], check=True)
        assert 'connection refused' in as_user('erin', 'ipfs-cluster-ctl', '--debug', 'id', status=1)  # not enabled: nobody is to be started
        systemctl('preset', UNIT, SOCKET)
        try:
                assert 'CALL: ' in as_user('erin', 'ipfs-cluster-ctl', '--debug', 'id')
                assert show('ActiveState') == 'active'
        finally:
                systemctl('disable', UNIT, SOCKET)
        eventually(lambda: get('/id').status == 200, 'the API answers, which nobody needs leave for')
        said = as_user('erin', 'ipfs-cluster-ctl', 'pin', 'add', '--ns', HELLO, status=2)
        assert 'Code: 403\n' in said, said
        refused(said)
        assert as_user('erin', 'ipfs-cluster-ctl', 'pin', 'ls') == ''
        as_user('frank', 'ipfs-cluster-ctl', 'pin', 'add', '--wait', HELLO)
        assert HELLO in as_user('erin', 'ipfs-cluster-ctl', 'pin', 'ls')
        told('ipfs-cluster-ctl', 'pin', 'rm', '--ns', HELLO)
        cleanup()


class Terminal:
        """A program on a terminal of its own."""

        def __init__(self, *command):
                self.seen = ''
                self.pid, self.fd = pty.fork()
                if self.pid == 0:
                        os.execvp(command[0], command)

        def read(self, patience):
                """Some of what it shows, in this time; not at its end."""
                if not select.select([self.fd], [], [], patience)[0]:
                        return True
                with contextlib.suppress(OSError):  # which is the end of a terminal
                        data = os.read(self.fd, 4096)
                        self.seen += data.decode(errors='replace')
                        return bool(data)
                return False

        def until(self, wanted, typed=''):
                """Until it shows what is wanted; TYPED is given again and again, as a terminal may be about to forget it."""
                for _ in range(int(PATIENCE)):
                        os.write(self.fd, typed.encode())
                        end = time.monotonic() + 1
                        while wanted not in self.seen and time.monotonic() < end:
                                assert self.read(0.1), self.seen
                        if wanted in self.seen:
                                return
                raise AssertionError(f'{wanted} is not shown: {self.seen}')

        def wait(self):
                while self.read(PATIENCE):
                        pass
                return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def password_is_asked_for_on_the_terminal(bench):
        """In a session, since polkit lets no agent speak for another process."""
        start(bench)
        if not shutil.which('pkttyagent'):
                raise Skip('no pkttyagent here')
        told('useradd', 'grace')
        subprocess.run(['chpasswd'], input='root:a secret\n', text=True, check=True)
        terminal = Terminal('systemd-run', '--quiet', '--pty', '--wait', '--collect', '--uid=grace', '--property=PAMName=login',
                            'ipfs-cluster-ctl', 'pin', 'add', '--ns', HELLO)
        terminal.until('Password: ')
        terminal.until('AUTHENTICATION COMPLETE', typed='a secret\n')
        assert terminal.wait() == 0, terminal.seen
        assert ok('GET', f'/allocations/{HELLO}')['cid'] == HELLO  # what systemd-run shows last may be lost with its terminal
        told('ipfs-cluster-ctl', 'pin', 'rm', '--ns', HELLO)
        cleanup()


def flood_of_one_sender_is_bounded(bench):
        """Calls that wait for Kubo, more than one sender may have: the others are still served."""
        bus = start(bench)
        calls = [subprocess.Popen(['busctl', '--timeout=30', 'call', NAME, PATH, NAME, 'GetStatus', 'sb', OTHER, 'false'],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(100)]
        assert bus.call('Id')['id'] == ok('GET', '/id')['id']
        assert [c.wait(PATIENCE) for c in calls] == [0] * len(calls)


# ---- levels

def log_level_is_set_by_systemctl(bench):
        start(bench)
        assert systemctl('service-log-level', UNIT).strip() == 'info'
        systemctl('service-log-level', UNIT, 'debug')
        assert systemctl('service-log-level', UNIT).strip() == 'debug'
        get('/id')
        assert systemctl('service-log-target', UNIT).strip() == 'journal'
        eventually(lambda: journal('PRIORITY=7'), 'debug messages come')
        systemctl('service-log-level', UNIT, 'info')


def peer_does_without_a_bus(bench):
        """BusName= in the unit does not make it wait for a bus, nor end with one."""
        assert 'dbus' not in show('Requires') + show('BindsTo')
        start(bench)
        systemctl('stop', 'dbus.socket', 'dbus.service')
        try:
                assert show('ActiveState') == 'active'
                systemctl('restart', UNIT)
                assert get('/id').status == 200
        finally:
                systemctl('start', 'dbus.socket')
        eventually(SystemBus().is_owned, 'the name is owned again')


# ---- reload

def reload_applies(bench):
        start(bench)

        def change(config):
                config['informer']['tags']['tags'] = {'color': 'red'}
                config['cluster']['log_level'] = 'notice'
                config['cluster']['peername'] = 'another'
        n_needed = len(messages('RESTART_NEEDED'))
        pid = show('MainPID')
        with edited(change):
                systemctl('reload', UNIT)
                assert show('ActiveState') == 'active' and show('MainPID') == pid and show('ReloadResult') == 'success'
                assert systemctl('service-log-level', UNIT).strip() == 'notice'
                eventually(lambda: 'tag:color' in ok('GET', '/monitor/metrics'), 'the tag is told')
                needed = messages('RESTART_NEEDED')[n_needed:]
                assert [m['CLUSTER_SETTINGS'] for m in needed] == ['cluster.peername'], needed
                assert 'systemctl restart ipfs-cluster' in explained('RESTART_NEEDED')
        systemctl('reload', UNIT)
        assert systemctl('service-log-level', UNIT).strip() == 'info'


def reload_of_a_wrong_file(bench):
        start(bench)
        pid = show('MainPID')
        with edited(lambda c: c['cluster'].update(secret='no secret', log_level='debug')):
                systemctl('reload', UNIT, status=1)
                assert show('ActiveState') == 'active' and show('MainPID') == pid
                assert 'cluster.secret' in messages('RELOAD_REFUSED')[-1]['CLUSTER_ERROR']
                assert 'cluster.secret' in systemctl('status', UNIT)
                assert systemctl('service-log-level', UNIT).strip() == 'info'
        systemctl('reload', UNIT)
        assert show('StatusText').startswith('Serving as leader'), show('StatusText')


def reload_of_an_instance(bench):
        fresh()
        systemctl('start', 'ipfs-cluster@blue')
        bus = SystemBus()
        eventually(lambda: bus.is_owned(f'{NAME}.blue'), 'the name is owned')
        systemctl('reload', 'ipfs-cluster@blue')
        assert show('ReloadResult', 'ipfs-cluster@blue') == 'success'
        assert bus.call('Id', name=f'{NAME}.blue')['id'] == ok('GET', '/id', '/run/ipfs-cluster/blue.sock')['id']
        assert systemctl('service-log-level', 'ipfs-cluster@blue').strip() == 'info'


# ---- the host

IPFS_UNIT = """[Service]
Type=exec
Environment="PATH={path}"
ExecStart={lib}/stand-in-kubo --strict --port {port}
"""


@contextlib.contextmanager
def ipfs_service():
        """Kubo as a unit; what is nowhere is never done with being pinned."""
        path = '/run/systemd/system/ipfs.service'
        with open(path, 'w', encoding='ascii') as f:
                f.write(IPFS_UNIT.format(path=os.environ['PATH'], lib=LIB, port=KUBO))
        systemctl('daemon-reload')
        systemctl('start', 'ipfs.service')
        try:
                yield
        finally:
                systemctl('stop', 'ipfs.service')
                os.unlink(path)
                systemctl('daemon-reload')


def pinning(attempts):
        """The first attempt counts, and those that Kubo's end has broken off do not."""
        def state():
                info = next(iter(ok('GET', f'/pins/{NOWHERE}?local=true')['peer_map'].values()))
                return info['status'], info['attempt_count'], info['error']
        try:
                eventually(lambda: state() == ('pinning', attempts, ''), f'{NOWHERE} is being pinned')
        except AssertionError as e:
                raise AssertionError(f'{state()}') from e


def kubo_that_restarts_costs_no_attempt(bench):
        fresh()
        with ipfs_service():
                systemctl('start', UNIT)
                eventually(lambda: show('StatusText').endswith('IPFS answers'), 'IPFS answers')
                ok('POST', f'/pins/{NOWHERE}')
                pinning(1)
                for _ in range(3):
                        systemctl('restart', 'ipfs.service')
                        eventually(lambda: show('StatusText').endswith('IPFS answers'), 'IPFS answers again')
                        pinning(1)
                systemctl('stop', 'ipfs.service')
                eventually(lambda: show('StatusText').endswith('IPFS does not answer'), 'it is away')
                systemctl('start', 'ipfs.service')
                pinning(1)
                ok('DELETE', f'/pins/{NOWHERE}')
        cleanup()


def shutdown_waits_for_the_peer(bench):
        bus = start(bench)
        systemctl('start', 'systemd-logind.service')
        logind = {'path': '/org/freedesktop/login1', 'interface': 'org.freedesktop.login1.Manager', 'name': 'org.freedesktop.login1'}

        def locks():
                return [(what, mode) for what, who, _, mode, *_ in bus.call('ListInhibitors', **logind) if who == 'IPFS Cluster']
        eventually(lambda: locks() == [('shutdown', 'delay')], 'the lock is taken')
        systemctl('stop', UNIT)
        assert locks() == []


# ---- a user's own

def user_unit_is_on_the_session_bus(bench):
        fresh()
        told('useradd', '--create-home', 'carol')
        uid = pwd.getpwnam('carol').pw_uid
        systemctl('start', f'user@{uid}.service')
        try:
                as_user('carol', 'systemctl', '--user', 'enable', UNIT)
                assert '"id"' in as_user('carol', 'busctl', '--user', '--json=short', 'call', NAME, PATH, NAME, 'Id')  # starts it
                assert as_user('carol', 'systemctl', '--user', 'is-active', UNIT).strip() == 'active'
                as_user('carol', 'systemctl', '--user', 'reload', UNIT)
                as_user('carol', 'systemctl', '--user', 'service-log-level', UNIT, 'debug')
                as_user('carol', 'busctl', '--user', 'call', NAME, PATH, NAME, 'Pin', 'sa{sv}', HELLO, '0')
                assert HELLO in as_user('carol', 'busctl', '--user', 'call', NAME, PATH, NAME, 'GetPin', 's', HELLO)
        finally:
                systemctl('stop', f'user@{uid}.service')


# ---- the port for other peers

def port_for_peers_may_be_a_socket(bench):
        fresh()
        systemctl('start', 'ipfs-cluster-peer.socket')
        systemctl('start', UNIT)
        listening = told('ss', '--listening', '--tcp', '--numeric', '--processes')
        assert any(':9096' in line and 'systemd' in line and 'ipfs-cluster' in line for line in listening.splitlines()), listening


run(answers_are_those_of_http, every_member_is_there, call_starts_the_peer, polkit_decides, command_line_takes_the_bus, password_is_asked_for_on_the_terminal,
    flood_of_one_sender_is_bounded, log_level_is_set_by_systemctl, peer_does_without_a_bus, reload_applies, reload_of_a_wrong_file,
    reload_of_an_instance, kubo_that_restarts_costs_no_attempt, shutdown_waits_for_the_peer, user_unit_is_on_the_session_bus,
    port_for_peers_may_be_a_socket)
