#!/usr/bin/env python3
"""Kubo's own command line through the proxy to a real Kubo: nobody notices, and what is pinned is the cluster's."""
import json
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from cluster_test import exchange, multipart, run  # noqa: E402

SIZES = (0, 1, 262143, 262144, 262145, 5000000)


class Proxied:
        """A peer before a real Kubo, and the command line."""

        def __init__(self, bench):
                self.bench, self.kubo = bench, bench.real_kubo()
                self.peer = bench.peer(self.kubo, proxy={}).start()
                self.folder = os.path.join(bench.folder, 'files')
                os.mkdir(self.folder)

        def ipfs(self, *arguments, input=b'', status=0, api=None):
                command = [self.kubo.program, '--api', f'/ip4/127.0.0.1/tcp/{api or self.peer.proxy_port}', *arguments]
                done = subprocess.run(command, env={**os.environ, **self.kubo.env}, input=input, capture_output=True, timeout=120, check=False)
                assert done.returncode == status, (arguments, done.returncode, done.stdout[-1000:], done.stderr[-1000:])
                return done.stdout if status == 0 else done.stderr

        def file(self, name, data):
                path = os.path.join(self.folder, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, 'wb') as f:
                        f.write(data)
                return path

        def pinned(self):
                return {l['cid'] for l in self.peer.get('/allocations').lines()}


def files_and_pins(bench):
        proxied = Proxied(bench)
        for n, size in enumerate(SIZES):
                data = random.Random(n).randbytes(size)
                path = proxied.file(f'{size}', data)
                cid = proxied.ipfs('add', '-q', path).decode().strip()
                assert cid == proxied.ipfs('add', '-q', '--only-hash', path, api=proxied.kubo.port).decode().strip()
                assert proxied.ipfs('cat', cid) == data, size
                assert cid in proxied.pinned(), size
                proxied.peer.until(cid, 'pinned')
        everything = proxied.pinned()
        listed = json.loads(proxied.ipfs('pin', 'ls', '--enc=json'))['Keys']
        assert set(listed) == everything, listed
        assert {l.split()[0] for l in proxied.ipfs('pin', 'ls', '--stream').decode().splitlines()} == everything
        cid = sorted(everything)[0]
        assert cid in proxied.ipfs('pin', 'rm', cid).decode()
        assert proxied.pinned() == everything - {cid}
        assert 'not part of the pinset' in proxied.ipfs('pin', 'rm', cid, status=1).decode()
        assert cid in proxied.ipfs('pin', 'add', '--name=again', cid).decode()
        assert 'again' in proxied.ipfs('pin', 'ls', '--names', cid).decode()
        assert cid in proxied.ipfs('pin', 'add', '--progress', cid).decode()
        other = proxied.ipfs('add', '-q', '--pin=false', proxied.file('other', b'other')).decode().strip()
        assert other not in proxied.pinned()
        proxied.ipfs('pin', 'update', cid, other)
        assert other in proxied.pinned() and cid not in proxied.pinned()
        proxied.peer.until(other, 'pinned')


def folders(bench):
        proxied = Proxied(bench)
        for name in ('d/a', 'd/e/b', 'd/e/c', 'd/.hidden'):
                proxied.file(name, name.encode())
        top = os.path.join(proxied.folder, 'd')
        for options in ((), ('-w',), ('--hidden',), ('--cid-version=1',), ('--progress',), ('--silent',)):
                cid = proxied.ipfs('add', '-r', '-Q', *[o for o in options if o != '--silent'], '--only-hash', top, api=proxied.kubo.port).decode().split()[-1]
                got = proxied.ipfs('add', '-r', *options, top)
                assert cid in proxied.pinned(), (options, got)
        roots = {proxied.ipfs('add', '-Q', '--only-hash', os.path.join(top, f), api=proxied.kubo.port).decode().strip() for f in ('a', 'e/b')}
        before = proxied.pinned()
        proxied.ipfs('add', os.path.join(top, 'a'), os.path.join(top, 'e/b'))
        assert proxied.pinned() == before | roots
        assert proxied.ipfs('ls', sorted(before)[0])
        assert proxied.ipfs('get', '-o', os.path.join(proxied.folder, 'out'), sorted(before)[0]) is not None


def blocks_and_dags(bench):
        proxied = Proxied(bench)
        cid = proxied.ipfs('block', 'put', proxied.file('block', b'some block')).decode().strip()
        assert proxied.ipfs('block', 'get', cid) == b'some block' and cid not in proxied.pinned()
        assert proxied.ipfs('block', 'put', '--pin', proxied.file('block', b'some block')).decode().strip() == cid
        assert proxied.pinned() == {cid}
        dag = proxied.ipfs('dag', 'put', '--pin', input=b'{"a":[1,2,3]}').decode().strip()
        assert json.loads(proxied.ipfs('dag', 'get', dag)) == {'a': [1, 2, 3]} and dag in proxied.pinned()
        car = proxied.ipfs('dag', 'export', dag)
        assert 'Pinned root' in proxied.ipfs('dag', 'import', proxied.file('car', car)).decode()
        proxied.ipfs('pin', 'rm', dag)
        proxied.ipfs('dag', 'import', '--pin-roots=false', proxied.file('car', car))
        assert dag not in proxied.pinned()
        proxied.ipfs('dag', 'import', proxied.file('car', car))
        assert dag in proxied.pinned()
        bad = proxied.ipfs('dag', 'import', proxied.file('bad', car[:-5]), status=1)
        assert b'EOF' in bad, bad


def the_rest_is_kubos(bench):
        proxied = Proxied(bench)
        for command in (('id',), ('version', '-n'), ('swarm', 'peers'), ('config', 'show'), ('files', 'ls'), ('repo', 'version'), ('key', 'list'),
                        ('pin', 'remote', 'service', 'ls'), ('bootstrap', 'list'), ('commands',)):
                assert proxied.ipfs(*command) == proxied.ipfs(*command, api=proxied.kubo.port), command
        proxied.ipfs('files', 'write', '--create', '/x', input=b'in a file')
        assert proxied.ipfs('files', 'read', '/x') == b'in a file'
        assert json.loads(proxied.ipfs('repo', 'stat', '--enc=json'))['RepoSize'] > 0
        proxied.kubo.add({'garbage': b'garbage'}, pin='false')
        assert b'removed' in proxied.ipfs('repo', 'gc')
        assert b'QmP63' in proxied.ipfs('cat', '--offline', 'QmP63DkAFEnDYNjDYBpyNDfttu1fvUw99x1brscPzpqmmq', status=1)
        assert b'no link named' in proxied.ipfs('pin', 'add', '/ipfs/QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn/x', status=1)


def a_broken_upload_pins_nothing(bench):
        proxied = Proxied(bench)
        headers, body = multipart({'d': None, 'd/a': b'a' * 1000000, 'd/b': b'b'})
        for end in 3, 10, 40, 500000:  # Kubo itself takes what is there
                got = exchange(proxied.peer.proxy_port, 'POST', '/api/v0/add', headers, body[:-end])
                told = 'X-Stream-Error' in got.trailers or got.status >= 400
                assert told, (end, got)
        assert proxied.peer.get('/allocations').status == 204
        proxied.kubo.kill()
        assert b'cannot be reached' in proxied.ipfs('add', proxied.file('x', b'x'), status=1)


run(files_and_pins, folders, blocks_and_dags, the_rest_is_kubos, a_broken_upload_pins_nothing)
