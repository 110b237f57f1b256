#!/usr/bin/env python3
"""The running daemon from outside: what it tells systemd, signals, the lock, inherited sockets, exit statuses."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from cluster_test import PATIENCE, Process, Reader, Skip, connect, eventually, exchange, free_ports, is_bindable, read_response, run  # noqa: E402

HELLO = 'QmccvEeJ1S95baJ6brLwNCKc6uq89vpVEoUGcEXc5FHhaX'


def told(peer):
        """What systemd was told since the last time."""
        lines = []
        peer.notify.settimeout(0.2)
        try:
                while True:
                        lines += peer.notify.recv(4096).decode().splitlines()
        except TimeoutError:
                return lines


def tells_systemd(bench):
        peer = bench.peer()
        peer.launch()
        peer.ready()
        peer.stop()
        assert 'STOPPING=1' in told(peer)


def names_once_what_it_does_not_use(bench):
        peer = bench.peer()
        peer.start()
        assert peer.process.text().count('service.json: kept, but not used by this program: ') == 1
        peer.stop()


def serves_while_systemd_does_not_read(bench):
        peer = bench.peer()
        path, full = os.path.join(bench.folder, 'full.notify'), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        full.bind(path)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
                filler.setblocking(False)
                try:
                        while True:
                                filler.sendto(b'STATUS=full', path)
                except BlockingIOError:
                        pass
        peer.launch(env={'NOTIFY_SOCKET': path, 'WATCHDOG_USEC': '400000'})
        peer.serving()
        peer.ok('POST', f'/pins/{HELLO}')
        full.settimeout(PATIENCE)
        while full.recv(4096) != b'READY=1':
                pass
        peer.stop()


def feeds_the_watchdog(bench):
        peer = bench.peer()
        peer.launch(env={'WATCHDOG_USEC': '400000'})
        peer.ready()
        eventually(lambda: 'WATCHDOG=1' in told(peer), 'the watchdog is fed')
        peer.stop()


def is_ready_while_kubo_is_away(bench):
        kubo = bench.stand_in()
        peer = bench.peer(kubo)
        kubo.stop()
        peer.launch()
        lines = peer.until_told(lambda line: line == 'READY=1')
        assert any(l.startswith('EXTEND_TIMEOUT_USEC=') for l in lines), lines
        peer.until_told(lambda line: line == 'STATUS=Serving as leader: 0 pins, 0 queued, 0 in error; IPFS does not answer')
        assert peer.get('/id').status == 200
        assert '** IPFS Cluster is READY **' not in peer.process.text()
        kubo.start()
        peer.until_told(lambda line: line == 'STATUS=Serving as leader: 0 pins, 0 queued, 0 in error; IPFS answers')
        assert '** IPFS Cluster is READY **' in peer.process.text()
        peer.stop()


def keeps_its_status_current(bench):
        kubo = bench.stand_in('--strict')
        peer = bench.peer(kubo)
        peer.start()
        peer.ok('POST', f'/pins/{HELLO}')  # which is nowhere
        peer.until_told(lambda line: line == 'STATUS=Serving as leader: 1 pins, 1 queued, 0 in error; IPFS answers')
        kubo.fault('pin/add', 'status', status=500, message='no')
        peer.ok('DELETE', f'/pins/{HELLO}')
        peer.until_told(lambda line: line == 'STATUS=Serving as leader: 0 pins, 0 queued, 0 in error; IPFS answers')
        peer.ok('POST', f'/pins/{HELLO}')
        peer.until_told(lambda line: line == 'STATUS=Serving as leader: 1 pins, 0 queued, 1 in error; IPFS answers')
        begun = time.monotonic()
        for n in range(200):
                peer.ok('POST', f'/pins/f01551220{n:064x}')
        lines = peer.until_told(lambda line: line.startswith('STATUS=Serving as leader: 201 pins,'))
        n_told = len([l for l in lines if l.startswith('STATUS=')])
        assert n_told <= time.monotonic() - begun + 2, n_told  # one a second
        peer.stop()


def answers_what_is_under_way_before_it_ends(bench):
        """A question that Kubo takes its time for, and one that it never answers."""
        kubo = bench.stand_in()
        peer = bench.peer(kubo)
        peer.start()
        peer.pin(HELLO)
        for kind, status, words in (('delay', 200, b'"status":"pinned"'), ('hang', 500, b'the peer is being stopped')):
                asked = kubo.count('pin/ls')
                kubo.fault('pin/ls', kind, seconds=1)
                with connect(peer.port) as connection:
                        connection.sendall(f'POST /pins/{HELLO}/sync HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n'.encode())
                        eventually(lambda: kubo.count('pin/ls') > asked, 'the question is under way')
                        peer.process.popen.send_signal(signal.SIGTERM)
                        response = read_response(Reader(connection, PATIENCE), 'POST')
                assert peer.process.popen.wait(PATIENCE) == 0
                assert response.status == status and words in response.body, response
                kubo.fault('pin/ls')
                peer.start()
        peer.stop()


def ends_in_order_on_each_signal(bench):
        peer = bench.peer()
        for sent in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                peer.start()
                peer.process.popen.send_signal(sent)
                assert peer.process.popen.wait(PATIENCE) == 0, sent


def keeps_a_pin_over_a_restart(bench):
        peer = bench.peer()
        peer.start()
        peer.ok('POST', f'/pins/{HELLO}?name=kept')
        peer.kill()
        peer.start()
        assert peer.ok('GET', f'/allocations/{HELLO}')['name'] == 'kept'
        peer.stop()
        out, _ = peer.offline('state', 'export')
        assert [json.loads(l)['name'] for l in out.splitlines()] == ['kept']


def import_that_is_killed_leaves_the_old_or_the_new(bench):
        peer = bench.peer()
        one = json.dumps({'cid': HELLO, 'type': 'pin', 'max_depth': -1})
        many = os.path.join(bench.folder, 'many.json')
        with open(many, 'w', encoding='utf-8') as f:
                for i in range(5000):
                        f.write(json.dumps({'cid': f'f01551220{i:064x}', 'type': 'pin', 'max_depth': -1}) + '\n')

        seen, delay = set(), 0.01
        while 5000 not in seen:  # later each time, until it is done before
                peer.offline('state', 'import', '-f', input=one)
                process = subprocess.Popen([bench.service, 'state', 'import', '-f', many], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                           stderr=subprocess.DEVNULL, env={**os.environ, **peer.environment()})
                try:
                        process.wait(delay)
                except subprocess.TimeoutExpired:
                        process.kill()
                        process.wait()
                out, _ = peer.offline('state', 'export')
                seen.add(len(out.splitlines()))
                delay *= 1.4
        assert seen <= {1, 5000}, seen


def second_daemon_is_refused(bench):
        peer = bench.peer()
        peer.start()
        for verb in (['daemon'], ['state', 'export'], ['state', 'cleanup', '-f'], ['state', 'import', '-f'], ['init', '-f']):
                _, err = peer.offline(*verb, status=1)
                assert f'cluster.lock: someone else has the lock (process {peer.process.popen.pid})' in err, err
        assert peer.get('/id').status == 200
        peer.stop()


def takes_the_socket_of_systemd(bench):
        """As systemd hands it over: descriptor 3, LISTEN_PID of the process itself."""
        peer = bench.peer()
        listening = socket.create_server(('127.0.0.1', 0))
        port = listening.getsockname()[1]
        shell = 'exec 3<&"$FD"; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=api exec "$0" daemon'
        process = subprocess.Popen(['bash', '-c', shell, bench.service], pass_fds=[listening.fileno()], stdin=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, env={**os.environ, **peer.environment(), 'FD': str(listening.fileno())})
        try:
                assert exchange(port, 'GET', '/id').json()['id'] == peer.peer_id
                with socket.socket() as other:  # the address of the configuration is left alone
                        assert other.connect_ex(('127.0.0.1', peer.port)) != 0
        finally:
                process.terminate()
                assert process.wait(PATIENCE) == 0
                listening.close()


def leaves_the_next_start_to_systemd(bench):
        """Where that has sockets for it: a peer that goes to join another cluster cannot make them itself."""
        one, two = (bench.peer(name=name, edit=lambda c: c['cluster'].update(secret='d' * 64)) for name in ('one', 'two'))
        one.start()
        with socket.create_server(('127.0.0.1', 0)) as listening:
                port = listening.getsockname()[1]
                shell = 'exec 3<&"$FD"; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=api exec "$0" daemon'
                process = subprocess.Popen(['bash', '-c', shell, bench.service], pass_fds=[listening.fileno()], stdin=subprocess.DEVNULL,
                                           stderr=subprocess.DEVNULL, env={**os.environ, **two.environment(), 'FD': str(listening.fileno())})
                try:
                        assert exchange(port, 'GET', '/id').json()['id'] == two.peer_id
                        adding = subprocess.Popen([os.environ['IPFS_CLUSTER_TEST_CTL'], '--host', f'/ip4/127.0.0.1/tcp/{one.port}', 'peers', 'add', two.address()],
                                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                        assert process.wait(PATIENCE) == 75
                        two.start()  # as systemd would
                        assert adding.wait(PATIENCE * 3) == 0
                        assert set(one.ok('GET', '/id')['cluster_peers']) == {one.peer_id, two.peer_id}
                finally:
                        process.kill()
                        process.wait()


def works_under_systemd_socket_activate(bench):
        """For who works on it: the first connection starts it, with sockets for the API and the proxy."""
        if not shutil.which('systemd-socket-activate'):
                raise Skip('no systemd-socket-activate here')
        peer = bench.peer(proxy={})
        ports = free_ports(2)
        environment = [f'--setenv={k}={v}' for k, v in peer.environment().items()]
        process = Process(bench, 'activated', ['systemd-socket-activate', *(f'--listen=127.0.0.1:{p}' for p in ports), '--fdname=api:proxy', *environment,
                                               bench.service, 'daemon'])
        eventually(lambda: not is_bindable(ports[1]), 'it listens')
        assert exchange(ports[0], 'GET', '/id').json()['id'] == peer.peer_id
        assert exchange(ports[1], 'POST', '/api/v0/id').json()['ID'] == peer.kubo.peer_id
        assert process.stop() == 0


def tells_why_it_does_not_start(bench):
        peer = bench.peer()
        taken = socket.create_server(('127.0.0.1', peer.port))
        _, err = peer.offline('daemon', status=1)
        assert err.splitlines()[-1].startswith('error creating REST API component: '), err
        taken.close()
        _, err = peer.offline('daemon', '--tracing', status=1)
        assert 'is not offered yet' in err, err


def finds_the_state_of_a_service(bench):
        """With a state folder of its own, as under systemd, nothing is written beside the configuration."""
        peer = bench.peer()
        state = os.path.join(bench.folder, 'state')
        before = sorted(os.listdir(peer.folder))
        peer.start(env={'STATE_DIRECTORY': state})
        peer.ok('POST', f'/pins/{HELLO}')
        peer.stop()
        assert sorted(os.listdir(peer.folder)) == before
        peer.env['STATE_DIRECTORY'] = state
        out, _ = peer.offline('state', 'export')
        assert json.loads(out)['cid'] == HELLO


run(tells_systemd, names_once_what_it_does_not_use, serves_while_systemd_does_not_read, feeds_the_watchdog,
    is_ready_while_kubo_is_away, keeps_its_status_current,
    answers_what_is_under_way_before_it_ends, ends_in_order_on_each_signal, keeps_a_pin_over_a_restart,
    import_that_is_killed_leaves_the_old_or_the_new, second_daemon_is_refused,
    takes_the_socket_of_systemd, leaves_the_next_start_to_systemd, works_under_systemd_socket_activate, tells_why_it_does_not_start, finds_the_state_of_a_service)
