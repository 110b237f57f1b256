#!/usr/bin/env python3
"""Every verb of ipfs-cluster-ctl against a running peer and the stand-in for Kubo, in text and in JSON."""
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from cluster_test import run  # noqa: E402

PROGRAM = os.environ['IPFS_CLUSTER_TEST_CTL']
HELLO = 'QmccvEeJ1S95baJ6brLwNCKc6uq89vpVEoUGcEXc5FHhaX'
UNKNOWN = 'QmP63DkAFEnDYNjDYBpyNDfttu1fvUw99x1brscPzpqmmq'
TIMEOUT = 60
STATUS = r'{cid}{name}:\n    > peer                 : {status} \| \S+ \| Attempts: \d+ \| Priority: (true|false)\n'


class Ctl:
        def __init__(self, bench):
                kubo = bench.stand_in('--strict')
                kubo.add({'hello.txt': b'hello cluster\n'}, pin='false')
                self.kubo, self.peer = kubo, bench.peer(kubo).start()

        def run(self, *words, code=0):
                environment = {'TZ': 'UTC', **{k: v for k, v in os.environ.items() if k.endswith('SAN_OPTIONS')}}
                done = subprocess.run([PROGRAM, '--host', f'/ip4/127.0.0.1/tcp/{self.peer.port}', *words], env=environment,
                                      stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT)
                assert done.returncode in (code if isinstance(code, tuple) else (code,)), (words, done)
                return done.stdout

        def says(self, pattern, *words, code=0):
                out = self.run(*words, code=code)
                assert re.fullmatch(pattern, out), (words, out)

        def has_status(self, status, *words, cid=HELLO, name=''):
                self.says(STATUS.format(cid=cid, status=status, name=name), *words)

        def json(self, *words, code=0):
                """All JSON documents of the output."""
                out, decoder, found, at = self.run('--enc=json', *words, code=code), json.JSONDecoder(), [], 0
                while at < len(out):
                        value, at = decoder.raw_decode(out, at)
                        assert out[at] == '\n', (words, out)
                        found.append(value)
                        at += 1
                return found


def tells_of_the_peer(bench):
        ctl = Ctl(bench)
        ctl.says('1\\.1\\.6\n', 'version')
        ctl.says(rf'{ctl.peer.peer_id} \| peer \| Sees 0 other peers\n  > Addresses:\n(    - .*\n)*  > IPFS: \S+\n(    - .*\n)*', 'id')
        assert ctl.run('peers', 'ls') == ctl.run('id')
        assert ctl.json('id')[0]['id'] == ctl.json('peers', 'ls')[0]['id'] == ctl.peer.peer_id
        assert 'ping' in ctl.run('health', 'metrics').split()
        ctl.says(rf'{ctl.peer.peer_id} \| ping: .* \| Expires in: .* from now\n', 'health', 'metrics', 'ping')
        assert ctl.json('health', 'alerts') == [[]]
        graph = ctl.run('health', 'graph')
        assert graph.startswith('digraph cluster {\n') and f'group="{ctl.peer.peer_id}"' in graph and 'C0 -> I0' in graph, graph
        ctl.says('peer           \n  > CIDs:\n(    - .*\n)*', 'ipfs', 'gc')


def pins_and_unpins(bench):
        ctl = Ctl(bench)
        assert ctl.run('pin', 'ls') == ctl.run('status') == ctl.run('--enc=json', 'pin', 'ls') == ''
        ctl.has_status('PINNED', 'pin', 'add', '--wait', '--name', 'one', '--metadata', 'k=v', HELLO, name=r' \| one')
        assert ctl.kubo.pin_type(HELLO) == 'recursive'
        ctl.says(rf'{HELLO} \| one \| PIN \| Repl\. Factor: -1 \| Allocations: \[everywhere\] \| Recursive \| Metadata: yes \| '
                 r'Exp: ∞ \| Added: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n', 'pin', 'ls')
        assert ctl.run('pin', 'ls', HELLO) == ctl.run('pin', 'ls', '--filter', 'pin') == ctl.run('pin', 'ls')
        assert ctl.run('pin', 'ls', '--filter', 'meta-pin') == ''
        assert ctl.json('pin', 'ls')[0]['metadata'] == {'k': 'v'}
        for words in (['status'], ['status', HELLO], ['status', '--local'], ['status', '--filter', 'pinned'], ['sync', HELLO],
                      ['recover', HELLO]):
                ctl.has_status('PINNED', *words, name=r' \| one')
        assert ctl.run('status', '--filter', 'error') == ctl.run('recover') == ctl.run('sync') == ''
        assert [i['cid'] for i in ctl.json('status', HELLO, UNKNOWN)] in ([HELLO, UNKNOWN], [UNKNOWN, HELLO])
        ctl.has_status('UNPINNED', 'pin', 'rm', '--wait', HELLO)
        assert ctl.kubo.pin_type(HELLO) is None
        assert ctl.run('pin', 'ls') == ''


def tells_what_the_peer_refuses(bench):
        ctl = Ctl(bench)
        error = 'An error occurred:\n  Code: 404\n  Message: pin is not part of the pinset\n'
        for words in (['pin', 'ls', UNKNOWN], ['pin', 'rm', UNKNOWN], ['pin', 'update', UNKNOWN, HELLO]):
                assert ctl.run(*words, code=2) == error, words
        refused = ctl.json('pin', 'add', '--rmin', '3', '--rmax', '2', HELLO, code=2)
        assert refused[0]['code'] == 500 and 'larger than max' in refused[0]['message'], refused
        ctl.has_status('UNPINNED', 'status', UNKNOWN, cid=UNKNOWN)


def waits_in_vain_with_kubo_down(bench):
        ctl = Ctl(bench)
        ctl.kubo.stop()
        assert ctl.run('pin', 'add', '--ns', HELLO).startswith(HELLO)
        # Whether the peer calls it an error by then, or is still trying, is the peer's affair: it is not pinned.
        assert ctl.run('pin', 'add', '--wait', '--wait-timeout', '3s', HELLO, code=(1, 62)) == ''
        assert '  > IPFS ERROR: ' in ctl.run('id')


run(tells_of_the_peer, pins_and_unpins, tells_what_the_peer_refuses, waits_in_vain_with_kubo_down)
