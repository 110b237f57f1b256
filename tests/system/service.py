#!/usr/bin/env python3
"""The installed units under a systemd that was booted for them (boot.py): every test begins with all of them stopped,
and with the files that the tests before have left, as on a host.
"""
import contextlib
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import threading
import time

from machine import (API, DROP_INS, ETC, HELLO, KUBO, SOCKET, STATE, UNIT, cleanup, drop_in, edit, explained, forget, fresh, get, journal,
                     main_pid, message_ids, messages, ok, owner, show, systemctl, told)
from cluster_test import LIB, PATIENCE, Process, comment, eventually, exchange, run


def many(n):
        return ''.join(json.dumps({'cid': f'f01551220{i:064x}', 'type': 'pin', 'max_depth': -1}) + '\n' for i in range(n))


class Load:
        """Requests, each on a connection of its own, until it is stopped; every failure is kept."""

        def __enter__(self):
                self.n, self.failures, self.over = 0, [], False
                self.pinned = []
                self.threads = [threading.Thread(target=f) for f in (self.ask, self.ask, self.ask, self.pin)]
                for thread in self.threads:
                        thread.start()
                return self

        def once(self, method, path):
                try:
                        response = exchange(API, method, path)
                        if response.status == 200:
                                return True
                        self.failures.append(repr(response))
                except (OSError, EOFError, ValueError) as e:
                        self.failures.append(repr(e))
                return False

        def ask(self):
                while not self.over:
                        self.once('GET', '/version')
                        self.n += 1

        def pin(self):
                while not self.over:
                        cid = f'f01551220{len(self.pinned):064x}'
                        if self.once('POST', f'/pins/{cid}'):
                                self.pinned.append(cid)

        def __exit__(self, *_):
                self.over = True
                for thread in self.threads:
                        thread.join()


# ---- units

def units_verify(bench):
        units = [UNIT, SOCKET, 'ipfs-cluster-peer.socket', 'ipfs-cluster-pinsvc.socket', 'ipfs-cluster-proxy.socket', 'ipfs-cluster-init.service', 'ipfs-cluster@a.service', 'ipfs-cluster-api@a.socket',
                 'ipfs-cluster-pinsvc@a.socket', 'ipfs-cluster-proxy@a.socket', 'ipfs-cluster-init@a.service']
        for unit in units:
                said = told('systemd-analyze', 'verify', '--man=no', unit)
                assert not said, said
        said = told('systemd-analyze', 'verify', '--man=no', '--user', UNIT, env={**os.environ, 'XDG_RUNTIME_DIR': '/run'})
        assert not said, said
        for socket in (SOCKET, 'ipfs-cluster-peer.socket', 'ipfs-cluster-pinsvc.socket', 'ipfs-cluster-proxy.socket'):
                said = told('systemd-analyze', 'verify', '--man=no', '--user', socket, env={**os.environ, 'XDG_RUNTIME_DIR': '/run'})
                assert not said, said


def units_are_sandboxed(bench):
        for unit in (UNIT, 'ipfs-cluster@a.service'):
                told('systemd-analyze', 'security', '--no-pager', '--threshold=10', unit)  # exposure 1.0


def presets_enable(bench):
        systemctl('preset', UNIT, SOCKET)
        assert systemctl('is-enabled', UNIT, SOCKET).split() == ['enabled', 'enabled']
        systemctl('disable', UNIT, SOCKET)


# ---- starts

def first_start_on_an_empty_etc(bench):
        fresh()
        assert not os.path.exists(ETC) or not os.listdir(ETC)
        bench.stand_in(port=KUBO)
        systemctl('start', UNIT)
        assert show('ActiveState') == 'active'
        for path, mode in ((ETC, '0o750'), (f'{ETC}/service.json', '0o600'), (f'{ETC}/identity.json', '0o600'), (STATE, '0o700')):
                assert owner(path) == ('ipfs-cluster', mode), (path, owner(path))
        with open(f'{ETC}/identity.json', encoding='utf-8') as f:
                assert ok('GET', '/id')['id'] == json.load(f)['id']
        eventually(lambda: show('StatusText') == 'Serving as leader: 0 pins, 0 queued, 0 in error; IPFS answers', 'the status is told')


def second_start_writes_nothing(bench):
        before = {n: os.stat(f'{ETC}/{n}').st_mtime_ns for n in os.listdir(ETC)}
        fresh()
        systemctl('start', UNIT)
        assert show('ConditionResult', 'ipfs-cluster-init.service') == 'no'
        assert {n: os.stat(f'{ETC}/{n}').st_mtime_ns for n in os.listdir(ETC)} == before


def identity_alone_is_missing(bench):
        fresh()
        with open(f'{ETC}/service.json', encoding='utf-8') as f:
                config = f.read()
        os.unlink(f'{ETC}/identity.json')
        forget()
        systemctl('start', UNIT)
        with open(f'{ETC}/service.json', encoding='utf-8') as f:
                assert f.read() == config
        assert os.path.exists(f'{ETC}/identity.json')


def starts_without_kubo(bench):
        fresh()
        systemctl('start', UNIT)
        assert get('/id').status == 200
        eventually(lambda: show('StatusText').endswith('IPFS does not answer'), 'the status tells of it')


def is_started_by_a_request(bench):
        fresh()
        systemctl('start', SOCKET)
        assert show('ActiveState') == 'inactive'
        assert get('/id').status == 200
        assert show('ActiveState') == 'active'


def restart_refuses_no_connection(bench):
        fresh()
        systemctl('start', UNIT)
        with Load() as load:
                for _ in range(3):
                        seen = load.n
                        eventually(lambda: load.n > seen + 20, 'requests are answered')
                        systemctl('restart', UNIT)
                seen = load.n
                eventually(lambda: load.n > seen + 20, 'requests are answered')
        assert not load.failures, f'{len(load.failures)} of {load.n}: {load.failures[:5]}'
        assert load.pinned and len(exchange(API, 'GET', '/allocations').lines()) == len(load.pinned)
        cleanup()


# ---- ends

def stop_under_load(bench):
        """It ends in order and soon, whoever asks; what was answered is there afterwards."""
        fresh()
        systemctl('start', UNIT)
        with Load() as load:
                eventually(lambda: load.n > 50 and load.pinned, 'requests are answered')
                begun = time.monotonic()
                systemctl('stop', SOCKET, UNIT)
                took = time.monotonic() - begun
        comment([f'stopped under load in {took * 1000:.0f} ms'])
        assert show('Result') == 'success' and show('ExecMainStatus') == '0', show('Result')
        assert all('refused' in f or 'reset' in f or 'EOF' in f for f in load.failures), load.failures[:5]
        systemctl('start', UNIT)
        kept = {l['cid'] for l in exchange(API, 'GET', '/allocations').lines()}
        assert len(kept) in (len(load.pinned), len(load.pinned) + 1), (len(kept), len(load.pinned))  # the last one's answer may be lost
        cleanup()


def watchdog_ends_what_hangs(bench):
        fresh()
        drop_in(WatchdogSec='1s', RestartSec='100ms')
        systemctl('start', UNIT)
        pid = main_pid()
        os.kill(pid, signal.SIGSTOP)
        eventually(lambda: main_pid() not in (0, pid) and show('ActiveState') == 'active', 'it is started again')
        assert get('/id').status == 200
        assert show('NRestarts') == '1'
        assert any('Watchdog timeout' in m['MESSAGE'] for m in journal())


def kill_keeps_the_pins(bench):
        fresh()
        drop_in(RestartSec='100ms')
        systemctl('start', UNIT)
        ok('POST', f'/pins/{HELLO}?name=kept')
        n_renewed = len(messages('STORE_RENEWED'))
        pid = main_pid()
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: main_pid() not in (0, pid), 'it is started again')
        assert ok('GET', f'/allocations/{HELLO}')['name'] == 'kept'
        assert 'pins.gdbm' in [m['CLUSTER_FILE'] for m in messages('STORE_RENEWED')][n_renewed:]
        ok('DELETE', f'/pins/{HELLO}')


def stop_with_many_pins(bench):
        fresh()
        systemctl('start', UNIT)
        response = exchange(API, 'POST', '/allocations', body=many(10000))
        assert response.status == 200, response
        begun = time.monotonic()
        systemctl('stop', UNIT)
        took = time.monotonic() - begun
        comment([f'stopped with 10000 pins in {took * 1000:.0f} ms'])
        assert took < PATIENCE / 30, took
        assert show('Result') == 'success' and show('ExecMainStatus') == '0'
        systemctl('start', UNIT)
        eventually(lambda: ' 10000 pins' in show('StatusText'), 'all are there')
        cleanup()


def bad_configuration_stays_failed(bench):
        fresh()
        drop_in(RestartSec='1ms')
        with open(f'{ETC}/service.json', encoding='utf-8') as f:
                good = f.read()
        try:
                edit(lambda c: c['cluster'].update(secret='no secret'))
                systemctl('start', UNIT, status=1)
                assert show('ActiveState') == 'failed' and show('ExecMainStatus') == '78' and show('NRestarts') == '0'
                assert 'cluster.secret' in systemctl('status', UNIT, status=3)
                assert 'cluster.secret' in show('StatusText'), show('StatusText')
                assert any('cluster.secret' in m['MESSAGE'] and m['PRIORITY'] == '3' for m in journal())
        finally:
                with open(f'{ETC}/service.json', 'w', encoding='utf-8') as f:
                        f.write(good)
        systemctl('start', UNIT)
        assert get('/id').status == 200


# ---- credentials, instances, users

def request_to_a_bad_configuration_is_cut_off(bench):
        """Each one starts the peer, which refuses; that comes to an end, and so does the request."""
        fresh()
        systemctl('start', SOCKET)
        with open(f'{ETC}/service.json', encoding='utf-8') as f:
                good = f.read()
        try:
                edit(lambda c: c['cluster'].update(secret='no secret'))
                try:
                        raise AssertionError(get('/id'))
                except (OSError, EOFError):
                        pass
                eventually(lambda: show('ActiveState', SOCKET) == 'failed', 'the socket is closed')
                assert show('ExecMainStatus') == '78'
        finally:
                with open(f'{ETC}/service.json', 'w', encoding='utf-8') as f:
                        f.write(good)
        systemctl('reset-failed', 'ipfs-cluster*')
        systemctl('restart', UNIT)
        assert get('/id').status == 200 and show('ActiveState', SOCKET) == 'active'


def socket_may_be_masked(bench):
        """Then the addresses of the configuration count."""
        fresh()
        systemctl('mask', '--runtime', SOCKET)
        try:
                systemctl('start', UNIT)
                assert get('/id').status == 200
                systemctl('stop', UNIT)
                assert subprocess.run(['curl', '-s', f'http://127.0.0.1:{API}/id']).returncode == 7  # refused
        finally:
                systemctl('unmask', '--runtime', SOCKET)


def socket_may_have_more_addresses(bench):
        fresh()
        drop_in(f'/run/systemd/system/{SOCKET}.d/test.conf', '[Socket]', ListenStream='[::1]:9194\nListenStream=/run/ipfs-cluster-test.sock')
        systemctl('start', SOCKET)
        said = told('curl', '--silent', '--show-error', 'http://[::1]:9194/id')
        assert json.loads(said)['id'] == ok('GET', '/id')['id'] == ok('GET', '/id', '/run/ipfs-cluster-test.sock')['id']
        addresses = [m['MESSAGE'].split()[3].rstrip(',') for m in journal() if m['MESSAGE'].startswith('REST API at')][-3:]
        assert addresses == ['/ip4/127.0.0.1/tcp/9094', '/ip6/::1/tcp/9194', '/unix/run/ipfs-cluster-test.sock'], addresses


def kubo_at_a_unix_socket(bench):
        fresh()
        os.makedirs('/run/ipfs', exist_ok=True)
        at = '/run/ipfs/api'
        kubo = Process(bench, 'kubo-at-socket', [os.path.join(LIB, 'stand-in-kubo'), '--unix', at])
        eventually(lambda: os.path.exists(at), 'it listens')
        os.chmod(at, 0o666)
        drop_in(BindPaths='/run/ipfs', Environment=f'CLUSTER_IPFSHTTP_NODEMULTIADDRESS=/unix{at}')
        systemctl('start', UNIT)
        eventually(lambda: show('StatusText').endswith('IPFS answers'), 'IPFS is reached')
        kubo.kill()


def encrypted_credential(bench):
        fresh()
        os.makedirs('/etc/credstore.encrypted', exist_ok=True)
        told('bash', '-c', 'echo zz | systemd-creds encrypt --with-key=host --name=CLUSTER_SECRET - /etc/credstore.encrypted/ipfs-cluster.secret')
        drop_in(LoadCredentialEncrypted='CLUSTER_SECRET:ipfs-cluster.secret')
        systemctl('start', UNIT, status=1)
        assert 'CLUSTER_SECRET' in show('StatusText'), show('StatusText')
        shutil.rmtree('/etc/credstore.encrypted')


@contextlib.contextmanager
def credentials(**texts):
        os.makedirs('/etc/credstore', mode=0o700, exist_ok=True)
        for name, text in texts.items():
                with open(f'/etc/credstore/ipfs-cluster.{name}', 'w', encoding='ascii') as f:
                        f.write(text + '\n')
        try:
                yield
        finally:
                shutil.rmtree('/etc/credstore')


def credentials_win_over_files(bench):
        fresh()
        with open(f'{ETC}/identity.json', encoding='utf-8') as f:
                identity = json.load(f)
        os.unlink(f'{ETC}/identity.json')
        with credentials(secret='00' * 32, id=identity['id'], **{'private-key': identity['private_key']}):
                systemctl('start', UNIT)
                assert ok('GET', '/id')['id'] == identity['id']
                assert not os.path.exists(f'{ETC}/identity.json')  # it stays where it is
        with credentials(secret='zz'):
                systemctl('restart', UNIT, status=1)
                assert show('ExecMainStatus') == '78' and 'CLUSTER_SECRET' in show('StatusText'), show('StatusText')
        fresh()
        forget()
        systemctl('start', UNIT)  # with an identity of its own


def instances_have_folders_and_sockets_of_their_own(bench):
        fresh()
        bench.stand_in(port=KUBO)
        names = ['blue', 'red']
        systemctl('start', UNIT, *(f'ipfs-cluster@{n}' for n in names))
        ids = {ok('GET', '/id')['id']}
        for name in names:
                at = f'/run/ipfs-cluster/{name}.sock'
                ids.add(ok('GET', '/id', at)['id'])
                assert owner(at) == ('ipfs-cluster', '0o660')
                assert owner(f'/var/lib/ipfs-cluster-{name}') == ('ipfs-cluster', '0o700')
                told('ipfs-cluster-ctl', '--host', f'/unix{at}', 'pin', 'add', '--wait', HELLO)
                assert ok('GET', f'/allocations/{HELLO}', at)['cid'] == HELLO
        assert len(ids) == 3
        assert get(f'/allocations/{HELLO}').status == 404
        systemctl('stop', 'ipfs-cluster@blue.service', 'ipfs-cluster-api@blue.socket')
        assert show('ActiveState', 'ipfs-cluster@red') == 'active'


def proxy_may_have_a_socket(bench):
        """A call to Kubo starts the peer; that of an instance is a Unix socket, as its API is."""
        fresh()
        bench.stand_in(port=KUBO)
        systemctl('start', 'ipfs-cluster-proxy.socket', 'ipfs-cluster-proxy@blue.socket')
        for unit, at in ((UNIT, 9095), ('ipfs-cluster@blue.service', '/run/ipfs-cluster/blue.proxy.sock')):
                assert show('ActiveState', unit) == 'inactive'
                assert ok('POST', '/api/v0/version', at)['Version']
                assert show('ActiveState', unit) == 'active'
        assert owner('/run/ipfs-cluster/blue.proxy.sock') == ('ipfs-cluster', '0o660')


def user_unit_runs(bench):
        fresh()
        told('useradd', '--create-home', 'carol')
        carol = pwd.getpwnam('carol')
        systemctl('start', f'user@{carol.pw_uid}.service')
        env = {'PATH': os.environ['PATH'], 'HOME': carol.pw_dir, 'XDG_RUNTIME_DIR': f'/run/user/{carol.pw_uid}'}
        as_carol = ['setpriv', f'--reuid={carol.pw_uid}', f'--regid={carol.pw_gid}', '--clear-groups', 'systemctl', '--user']
        told(*as_carol, 'start', UNIT, env=env)
        with open(f'{carol.pw_dir}/.ipfs-cluster/identity.json', encoding='utf-8') as f:
                assert ok('GET', '/id')['id'] == json.load(f)['id']
        assert 'Serving as leader' in told(*as_carol, 'status', UNIT, env=env)
        told(*as_carol, 'stop', UNIT, env=env)
        systemctl('stop', f'user@{carol.pw_uid}.service')


# ---- journal

def journal_explains_each_message(bench):
        for name, number in message_ids().items():
                assert 'Subject: ' in told('journalctl', '--no-pager', '--dump-catalog', number), name


def journal_tells_of_ipfs(bench):
        fresh()
        kubo = bench.stand_in(port=KUBO)
        systemctl('start', UNIT)
        eventually(lambda: show('StatusText').endswith('IPFS answers'), 'IPFS answers')
        n_away, n_back = len(messages('IPFS_AWAY')), len(messages('IPFS_BACK'))
        kubo.stop()
        for _ in range(5):
                get('/id')
        eventually(lambda: show('StatusText').endswith('IPFS does not answer'), 'the absence is told')
        kubo.start()
        eventually(lambda: show('StatusText').endswith('IPFS answers'), 'IPFS answers again')
        away, back = messages('IPFS_AWAY')[n_away:], messages('IPFS_BACK')[n_back:]
        assert len(away) == len(back) == 1, (away, back)  # counted, not repeated
        assert away[0]['CLUSTER_IPFS'].startswith('http://127.0.0.1:5001/') and away[0]['PRIORITY'] == '4', away
        assert away[0]['CLUSTER_ERROR'] in away[0]['MESSAGE'] and away[0]['CLUSTER_COMPONENT'] == 'ipfs', away
        assert re.search(r'; [0-9]+ calls had not reached it', back[0]['MESSAGE']), back
        assert 'ipfs_connector.ipfshttp.node_multiaddress' in explained('IPFS_AWAY')


def journal_tells_of_a_pin_that_fails(bench):
        fresh()
        kubo = bench.stand_in(port=KUBO)
        kubo.fault('pin/add', 'status', status=500, message='no such luck')
        systemctl('start', UNIT)
        cid = ok('POST', f'/pins/f01551220{"ab" * 32}')['cid']
        for n in range(1, 7):
                def failed():
                        info = next(iter(ok('GET', f'/pins/{cid}')['peer_map'].values()))
                        return info['status'] == 'pin_error' and info['attempt_count'] == n
                eventually(failed, f'attempt {n} has failed')
                if n == 6:
                        kubo.fault('pin/add')
                ok('POST', f'/pins/{cid}/recover')
        eventually(lambda: messages('PIN_RECOVERED'), 'the recovery is told')
        told_of = [m['CLUSTER_ATTEMPTS'] for m in journal(f'CLUSTER_CID={cid}')]
        assert told_of == ['1', '5', '7'], told_of  # those between are not repeated
        last = messages('PIN_FAILED')[-1]
        assert last['CLUSTER_OP'] == 'pin' and last['CLUSTER_ERROR'].endswith('no such luck'), last
        assert f'ipfs-cluster-ctl recover {cid}' in explained('PIN_FAILED')
        ok('DELETE', f'/pins/{cid}')
        told('journalctl', '--boot', '--no-pager', '--grep=private_key', status=1)  # secrets never


def journal_tells_of_start_and_stop(bench):
        fresh()
        bench.stand_in(port=KUBO)
        n_ready, n_stopped = len(messages('READY')), len(messages('STOPPED'))
        systemctl('start', UNIT)
        eventually(lambda: len(messages('READY')) > n_ready, 'ready is told')
        assert messages('READY')[-1]['CLUSTER_PEER'] == ok('GET', '/id')['id']
        systemctl('stop', UNIT)
        assert len(messages('STOPPED')) == n_stopped + 1
        assert [m['PRIORITY'] for m in messages('REFUSED')][:1] == ['3']  # of the tests before


def journal_tells_of_a_damaged_state(bench):
        fresh()
        systemctl('start', UNIT)
        systemctl('stop', UNIT)
        for n in ('a', 'b'):
                with open(f'{STATE}/raft/meta-{n}', 'r+b') as f:
                        f.write(b'damage')
        drop_in(Restart='no')
        systemctl('start', UNIT, status=1)
        assert show('ExecMainStatus') == '74'
        assert 'meta-' in messages('STATE_DAMAGED')[-1]['CLUSTER_ERROR']
        assert 'Look for errors of the disk' in explained('STATE_DAMAGED')
        forget()


def journal_tells_of_a_full_disk(bench):
        """The state on a small file system of its own, which is filled from outside."""
        fresh()
        forget()
        os.mkdir(STATE)
        told('mount', '-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', STATE)
        try:
                drop_in(Restart='no')
                systemctl('start', UNIT)
                ok('POST', f'/pins/{HELLO}')
                with contextlib.suppress(OSError), open(f'{STATE}/ballast', 'wb') as f:
                        while True:
                                f.write(bytes(1 << 20))
                with contextlib.suppress(OSError, EOFError, ValueError):
                        exchange(API, 'POST', '/allocations', body=many(100000))
                eventually(lambda: show('ActiveState') == 'failed', 'it ends')
                assert show('ExecMainStatus') == '74', show('ExecMainStatus')
                assert 'No space left' in messages('DISK_FAILED')[-1]['CLUSTER_ERROR']
                os.unlink(f'{STATE}/ballast')
                systemctl('start', UNIT)
                assert ok('GET', f'/allocations/{HELLO}')['cid'] == HELLO  # what was answered is there
                assert messages('STORE_RENEWED')
        finally:
                fresh()
                told('umount', STATE)


run(units_verify, units_are_sandboxed, presets_enable, first_start_on_an_empty_etc, second_start_writes_nothing, identity_alone_is_missing,
    starts_without_kubo, is_started_by_a_request, restart_refuses_no_connection, stop_under_load, watchdog_ends_what_hangs, kill_keeps_the_pins,
    stop_with_many_pins, bad_configuration_stays_failed, request_to_a_bad_configuration_is_cut_off, credentials_win_over_files, encrypted_credential,
    socket_may_be_masked, socket_may_have_more_addresses, kubo_at_a_unix_socket, instances_have_folders_and_sockets_of_their_own, proxy_may_have_a_socket,
    user_unit_runs, journal_explains_each_message, journal_tells_of_ipfs, journal_tells_of_a_pin_that_fails,
    journal_tells_of_start_and_stop, journal_tells_of_a_damaged_state, journal_tells_of_a_full_disk)
