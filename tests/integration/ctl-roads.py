#!/usr/bin/env python3
"""ipfs-cluster-ctl on its two roads: every verb says the same over the bus as over HTTP, byte for byte, and ends with
the same status; which road is taken; that libcurl stays away from the bus."""
import json
import os
import re
import signal
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from cluster_test import PATIENCE, eventually, run  # noqa: E402
from private_bus import DBusDaemon  # noqa: E402

PROGRAM = os.environ['IPFS_CLUSTER_TEST_CTL']
HELLO = 'QmccvEeJ1S95baJ6brLwNCKc6uq89vpVEoUGcEXc5FHhaX'
OTHER = 'QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn'
STRANGER = '12D3KooWSp6MX4QYS9v1vsBFeGaYpBaJzkPGkZfM7YmWvN4iVzUr'
TIMES = re.compile(r'\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?Z?')
ROUNDS = 20  # for what changes by itself in between


class Roads:
        def __init__(self, bench, *arguments):
                self.bus = DBusDaemon(bench.folder)
                self.kubo = bench.stand_in('--strict')
                self.kubo.add({'hello.txt': b'hello cluster\n'}, pin='false')
                self.peer = bench.peer(self.kubo).start(*arguments, env=self.bus.env)
                self.http = ['--host', f'/ip4/127.0.0.1/tcp/{self.peer.port}']
                eventually(lambda: self.run('--bus', 'version')[0] == 0, 'the peer is on the bus')

        def __enter__(self):
                return self

        def __exit__(self, *what):
                self.peer.stop()
                self.bus.stop()

        def environment(self, **further):
                return {'TZ': 'UTC', **self.bus.env, **{k: v for k, v in os.environ.items() if k.endswith('SAN_OPTIONS')}, **further}

        def run(self, *words, **env):
                """(exit status, standard output, standard error)"""
                done = subprocess.run([PROGRAM, *words], env=self.environment(**env), stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
                return done.returncode, done.stdout.decode(), done.stderr.decode()

        def same(self, *words, status=None, bus=('--bus',), timeless=False):
                """What does not change by itself: HTTP says the same before and after the bus is asked. TIMELESS: but for the times."""
                def said(*road):
                        code, out, err = self.run(*road, *words)
                        return code, TIMES.sub('TIME', out) if timeless else out, err

                for form in ('text', 'json'):
                        for _ in range(ROUNDS):
                                before = said(*self.http, '--enc', form)
                                over_bus = said(*bus, '--enc', form)
                                if before == said(*self.http, '--enc', form):
                                        break
                        assert over_bus == before, (words, over_bus, before)
                        assert status is None or status == over_bus[0], (words, over_bus)
                return over_bus

        def same_change(self, *words, before=(), status=0):
                """What changes something: each road does it in the state that the commands BEFORE make; times are set aside."""
                for form in ('text', 'json'):
                        said = []
                        for road in (self.http, ['--bus']):
                                for command in before:
                                        self.run(*self.http, *command)
                                code, out, err = self.run(*road, '--enc', form, *words)
                                said.append((code, TIMES.sub('TIME', out), err))
                        assert said[0] == said[1], (words, said)
                        assert said[0][0] == status, (words, said)


def reading_is_the_same(bench):
        with Roads(bench) as roads:
                roads.same('pin', 'ls', status=0)
                roads.run('--bus', 'pin', 'add', '--wait', '--name', 'a <näme>', '--metadata', 'b=1', '--metadata', 'a=<2>', '--expire-in', '1000h', HELLO)
                roads.run('--bus', 'pin', 'add', '--wait', OTHER)
                for words in (['id'], ['version'], ['peers', 'ls'], ['pin', 'ls'], ['pin', 'ls', HELLO], ['pin', 'ls', '--filter', 'pin'],
                              ['pin', 'ls', '--filter', 'meta-pin'], ['pin', 'ls', '--filter', 'what'], ['status', HELLO], ['status', '--local', HELLO],
                              ['status', HELLO, OTHER], ['status', OTHER, HELLO, HELLO], ['status', '--filter', 'pinned'], ['status', '--filter', 'error'],
                              ['status', '--local', '--filter', 'pinned'], ['sync', HELLO], ['recover', HELLO], ['recover', '--local', HELLO],
                              ['health', 'graph'], ['health', 'graph', '--all-ipfs-peers'], ['health', 'metrics'], ['health', 'metrics', 'ping'],
                              ['health', 'metrics', 'freespace'], ['health', 'metrics', 'nothing'], ['health', 'alerts'], ['health', 'bandwidth'],
                              ['ipfs', 'gc'], ['ipfs', 'gc', '--local']):
                        roads.same(*words, status=0)
                for words in (['status'], ['status', '--local'], ['sync'], ['recover'], ['recover', '--local']):
                        roads.same_change(*words)


def changing_is_the_same(bench):
        with Roads(bench) as roads:
                gone = [['pin', 'rm', '--ns', HELLO], ['pin', 'rm', '--ns', OTHER]]
                there = [*gone, ['pin', 'add', '--wait', '--name', 'one', HELLO]]
                roads.same_change('pin', 'add', '--ns', HELLO, before=gone)
                roads.same_change('pin', 'add', '--ns', '--name', 'n', '--metadata', 'z=1', '--metadata', 'a=2', '--mode', 'direct', '--expire-in', '50h',
                                  '--allocations', roads.peer.peer_id, '-r', '1', HELLO, before=gone)
                roads.same_change('pin', 'add', '--wait', f'/ipfs/{HELLO}', before=gone)
                roads.same_change('pin', 'update', '--ns', '--name', 'two', HELLO, OTHER, before=there)
                roads.same_change('pin', 'update', '--ns', HELLO, f'/ipfs/{OTHER}', before=there)
                roads.same_change('pin', 'rm', '--wait', HELLO, before=there)
                roads.same_change('pin', 'rm', '--ns', HELLO, before=there)


def errors_are_the_same(bench):
        with Roads(bench) as roads:
                for words, status in ((['pin', 'ls', OTHER], 2), (['pin', 'rm', OTHER], 2), (['pin', 'update', OTHER, HELLO], 2),
                                      (['pin', 'add', '--rmin', '5', '--rmax', '2', HELLO], 2), (['pin', 'add', '-r', '7', HELLO], 2),
                                      (['pin', 'add', *[w for i in range(300) for w in ('--metadata', f'k{i}=v')], HELLO], 2),
                                      (['pin', 'add', '/ipns/nowhere.example'], 2), (['pin', 'add', 'what'], 1), (['pin', 'ls', 'what'], 1),
                                      (['status', '--filter', 'what'], 1), (['peers', 'rm', 'what'], 1), (['pin', 'nothing'], 3), (['--what', 'id'], 1),
                                      (['peers', 'rm', STRANGER], None), (['peers', 'add', f'/ip4/127.0.0.1/tcp/1/p2p/{STRANGER}'], None)):
                        roads.same(*words, status=status)
                roads.kubo.stop()
                eventually(lambda: 'IPFS ERROR' in roads.run('--bus', 'id')[1], 'Kubo is gone')
                for words in (['id'], ['ipfs', 'gc'], ['pin', 'add', '/ipns/nowhere.example'], ['sync'], ['health', 'graph']):
                        roads.same(*words)


def list_that_is_cut_is_an_error(bench):
        with Roads(bench) as roads:
                for i in range(3):
                        roads.peer.ok('POST', f'/pins/{HELLO}?name={i}')
                stopped = subprocess.Popen([PROGRAM, '--bus', 'pin', 'ls'], env=roads.environment(), stdout=subprocess.PIPE)
                out = stopped.communicate(timeout=PATIENCE)[0]
                assert stopped.returncode == 0 and out.count(b'\n') == 1
                roads.peer.process.popen.send_signal(signal.SIGSTOP)
                try:
                        code, out, _ = roads.run('--bus', '--timeout', '1', 'pin', 'ls')
                finally:
                        roads.peer.process.popen.send_signal(signal.SIGCONT)
                assert code == 1 and 'StreamPins: context deadline exceeded' in out, (code, out)


def road_is_chosen(bench):
        with Roads(bench) as roads:
                def road(*words, **env):
                        err = roads.run('--debug', *words, 'version', **env)[2]
                        return 'bus' if 'CALL: ' in err else 'http' if 'GET: ' in err else err
                assert road() == 'bus'
                assert road('--bus') == road('--user-bus') == 'bus'
                assert road(*roads.http) == 'http'
                for option in ('--https', '--force-http', '--no-check-certificate', '--basic-auth=a:b'):
                        assert road(option) == 'http', option
                assert road(CLUSTER_CREDENTIALS='a:b') == 'http'
                assert road('--bus', CLUSTER_CREDENTIALS='a:b') == 'bus'
                nowhere = f'unix:path={bench.folder}/nowhere'
                assert road(DBUS_SYSTEM_BUS_ADDRESS=nowhere) == 'http'
                assert road('--user-bus', DBUS_SYSTEM_BUS_ADDRESS=nowhere) == 'bus'

                for words, told in ((['--bus', '--user-bus'], 'give one of them'), (['--bus', *roads.http], 'give one of them'),
                                    (['--instance=x', '--https'], 'give one of them'), (['--instance=1'], "instance: '1' is not allowed")):
                        code, _, err = roads.run(*words, 'id')
                        assert code == 1 and told in err, (words, err)
                code, _, err = roads.run('--bus', 'id', DBUS_SYSTEM_BUS_ADDRESS=nowhere)
                assert code == 1 and 'the system bus cannot be reached' in err, err
                code, out, err = roads.run('--instance', 'other', 'id')
                assert code == 1 and 'org.ipfs.Cluster.other is not on the system bus' in out, out

                roads.peer.stop()
                assert road() == 'http'
                code, out, _ = roads.run('--bus', 'id')
                assert code == 1 and 'Code: 0\n' in out and 'org.ipfs.Cluster is not on the system bus' in out, out
                roads.bus.stop()
                roads.bus.activatable('org.ipfs.Cluster', '/bin/false')
                roads.bus.start()
                code, out, _ = roads.run('id')
                assert code == 1 and out.startswith('An error occurred:\n  Code: 0\n  Message: Id: '), out


def instances_have_names(bench):
        with Roads(bench) as roads:
                roads.peer.stop()
                roads.peer.start('--instance', 'one', env=roads.bus.env)
                eventually(lambda: roads.run('--instance', 'one', 'id')[0] == 0, 'the instance is on the bus')
                assert roads.run('--instance', 'one', 'id') == roads.run(*roads.http, 'id')
                assert roads.run('--bus', 'id')[0] == 1


def cluster_is_the_same(bench):
        """Three peers on one bus, then two and one that is gone. What others are asked has the time at which they were."""
        with Roads(bench) as roads:
                peers = bench.cluster(3)
                for peer in peers:
                        peer.launch('--instance', peer.name, env=roads.bus.env)
                for peer in peers:
                        peer.ready()
                roads.http, instance = ['--host', f'/ip4/127.0.0.1/tcp/{peers[0].port}'], ['--instance', peers[0].name]
                eventually(lambda: roads.run(*instance, 'version')[0] == 0, 'the first one is on the bus')
                eventually(lambda: roads.run(*instance, 'pin', 'add', '--ns', '-r', '2', HELLO)[0] == 0, 'it can be allocated')
                eventually(lambda: 'PINNED' in roads.run(*instance, 'status', HELLO)[1], 'it is pinned')

                def compare():
                        for words in (['id'], ['peers', 'ls'], ['status', HELLO], ['status', '--local', HELLO], ['pin', 'ls'], ['health', 'graph'],
                                      ['health', 'metrics', 'ping'], ['ipfs', 'gc'], ['recover', HELLO]):
                                roads.same(*words, status=0, bus=instance, timeless=True)
                        roads.same('peers', 'add', f'/ip4/127.0.0.1/tcp/1/p2p/{peers[0].peer_id}', bus=instance)
                        roads.same('peers', 'rm', STRANGER, bus=instance)
                eventually(lambda: roads.run(*roads.http, 'health', 'metrics', 'ping')[1].count('\n') == 3, 'everybody is heard of')
                compare()
                peers[2].kill()
                compare()
                for peer in peers[:2]:
                        peer.kill()


class Monitor:
        def __init__(self, roads, *words):
                self.popen = subprocess.Popen([PROGRAM, '--bus', *words, 'monitor'], env=roads.environment(), stdout=subprocess.PIPE, text=True)
                self.seen = []

        def until(self, pattern):
                """The line that fits, within the patience of a test."""
                timer = threading.Timer(PATIENCE, self.popen.kill)
                timer.start()
                try:
                        for line in self.popen.stdout:
                                self.seen.append(line)
                                if re.fullmatch(pattern, line.rstrip('\n')):
                                        return line
                finally:
                        timer.cancel()
                raise AssertionError(f'{pattern} was not told: {self.seen}')

        def interrupt(self):
                self.popen.send_signal(signal.SIGINT)
                return self.popen.wait(PATIENCE)


def monitor_follows_what_happens(bench):
        with Roads(bench) as roads:
                peer, at = roads.peer.peer_id, r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d '
                text, lines = Monitor(roads), Monitor(roads, '--enc=json')
                text.until(rf'{at}service_up: leader \| {peer}')
                assert json.loads(lines.until(r'.*"service_up".*')) ['peer'] == peer
                roads.run('--bus', 'pin', 'add', '--ns', '--name', 'a\x1b[1m', HELLO)
                text.until(rf'{at}pin_added: {HELLO} \| a\\x1b\[1m')
                text.until(rf'{at}pin_status: {HELLO} \| pinned \| {peer}')
                added = json.loads(lines.until(r'.*"pin_added".*'))
                assert {k: v for k, v in added.items() if k != 'time'} == {'event': 'pin_added', 'cid': HELLO, 'name': 'a\x1b[1m'}
                assert json.loads(lines.until(r'.*"status":"pinned".*'))['cid'] == HELLO

                roads.peer.stop()
                text.until(rf'{at}service_down')
                lines.until(r'\{"time":"[^"]*","event":"service_down"\}')
                roads.peer.start(env=roads.bus.env)
                text.until(rf'{at}service_up: .*{peer}')
                roads.run('--bus', 'pin', 'rm', '--ns', HELLO)
                text.until(rf'{at}pin_removed: {HELLO}')
                assert text.interrupt() == 0 and lines.interrupt() == 0

                roads.peer.stop()
                waiting = Monitor(roads)
                waiting.until(rf'{at}service_down')
                roads.peer.start(env=roads.bus.env)
                waiting.until(rf'{at}service_up: .*')
                assert waiting.interrupt() == 0
                code, out, _ = roads.run(*roads.http, 'monitor')
                assert code == 1 and 'over the bus' in out, out
                gone = Monitor(roads)
                gone.until(rf'{at}service_up: .*')
                roads.bus.stop()
                assert gone.popen.wait(PATIENCE) == 1
                roads.bus.start()


def libcurl_is_not_loaded_for_the_bus(bench):
        with Roads(bench) as roads:
                def libraries(*words):
                        return roads.run(*words, LD_DEBUG='files')[2]
                assert 'libcurl' not in libraries('--help') and 'libsystemd' in libraries('--help')
                assert 'libcurl' not in libraries('--bus', 'pin', 'ls')
                assert 'libcurl' in libraries(*roads.http, 'pin', 'ls')


run(reading_is_the_same, changing_is_the_same, errors_are_the_same, list_that_is_cut_is_an_error, road_is_chosen, instances_have_names,
    cluster_is_the_same, monitor_follows_what_happens, libcurl_is_not_loaded_for_the_bus)
