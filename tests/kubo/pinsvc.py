#!/usr/bin/env python3
"""Kubo's own client of remote pinning services: `ipfs pin remote` with a cluster as the service."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from cluster_test import eventually, run  # noqa: E402

NOWHERE = 'bafkreidon73zkcrwdb5iafqtijxildoonbwnpv7dyd6ef3qdgads2jc4su'


class Client:
        """A peer with a real Kubo, which is its own client."""

        def __init__(self, bench, key='any-word', **section):
                self.kubo = bench.real_kubo()
                self.peer = bench.peer(self.kubo, pinsvc=section).start()
                self.ipfs('pin', 'remote', 'service', 'add', 'cluster', f'http://127.0.0.1:{self.peer.pinsvc_port}', key)

        def ipfs(self, *arguments, status=0):
                done = subprocess.run([self.kubo.program, *arguments], env={**os.environ, **self.kubo.env}, capture_output=True, text=True,
                                      timeout=120, check=False)
                assert done.returncode == status, (arguments, done.returncode, done.stdout[-1000:], done.stderr[-1000:])
                return done.stdout if status == 0 else done.stderr

        def remote(self, verb, *arguments, **options):
                return self.ipfs('pin', 'remote', verb, '--service=cluster', *arguments, **options)

        def listed(self, *arguments):
                """(CID, status, name) of each, as Kubo tells them."""
                lines = self.remote('ls', '--enc=json', *arguments).splitlines()
                return [(o['Cid'], o['Status'], o['Name']) for o in map(json.loads, lines)]

        def new(self, name, text):
                return self.kubo.add({name: text.encode()}, pin='false', **{'cid-version': '1', 'raw-leaves': 'true'})[name]


def blocking_add_ends_when_it_is_pinned(bench):
        client = Client(bench)
        cid = client.new('a', 'remote a\n')
        said = client.remote('add', '--name=first', cid)
        assert cid in said and 'pinned' in said, said
        assert client.kubo.pin_type(cid) == 'recursive'
        assert client.listed() == [(cid, 'pinned', 'first')]
        client.peer.stop()


def background_add_ls_rm(bench):
        client = Client(bench)
        cids = [client.new(str(n), f'remote {n}\n') for n in range(3)]
        for n, cid in enumerate(cids):
                client.remote('add', '--background', f'--name=n{n}', cid)
        client.remote('add', '--background', '--name=again', cids[0])
        eventually(lambda: len(client.listed()) == 4, 'all are pinned')
        assert sorted(client.listed(f'--cid={cids[0]}')) == sorted([(cids[0], 'pinned', 'n0'), (cids[0], 'pinned', 'again')])
        assert client.listed('--name=n1') == [(cids[1], 'pinned', 'n1')]
        client.remote('add', '--background', '--name=nowhere', NOWHERE)
        eventually(lambda: client.listed('--status=queued,pinning') == [(NOWHERE, 'pinning', 'nowhere')], 'it is looked for')

        client.remote('rm', '--name=again')
        assert client.listed(f'--cid={cids[0]}') == [(cids[0], 'pinned', 'n0')] and client.kubo.pin_type(cids[0]) == 'recursive'
        assert 'multiple' in client.remote('rm', status=1), 'more than one is removed by force alone'
        client.remote('rm', '--force')
        eventually(lambda: all(client.kubo.pin_type(cid) is None for cid in cids), 'nothing is pinned')
        client.remote('rm', '--name=nowhere', '--status=queued,pinning')
        assert client.listed('--status=queued,pinning,pinned,failed') == []
        client.peer.stop()


def many_are_listed_page_by_page(bench):
        client, n = Client(bench), 1234
        cid = client.new('a', 'remote a\n')
        for i in range(n):
                if i % 200 == 0:
                        cid = client.new('a', f'remote a{i}\n')
                assert client.peer.remote('POST', '/pins', {'cid': cid, 'name': str(i)}).status == 202
        eventually(lambda: client.peer.remote('GET', '/pins?limit=1').json()['count'] == n, 'all are pinned')
        assert [int(name) for _, _, name in client.listed()] == list(reversed(range(n)))
        client.peer.stop()


def service_is_asked_how_much_it_has(bench):
        client = Client(bench)
        client.remote('add', client.new('a', 'remote a\n'))
        stat = json.loads(client.ipfs('pin', 'remote', 'service', 'ls', '--stat', '--enc=json'))['RemoteServices'][0]['Stat']
        assert stat == {'Status': 'valid', 'PinCount': {'Queued': 0, 'Pinning': 0, 'Pinned': 1, 'Failed': 0}}, stat
        client.peer.stop()


def key_is_a_token(bench):
        client = Client(bench, 'wrong', basic_auth_credentials={'alice': 'secret1'})
        cid = client.new('a', 'remote a\n')
        assert 'UNAUTHORIZED' in client.remote('add', cid, status=1)
        alice = {'Authorization': 'Basic YWxpY2U6c2VjcmV0MQ=='}
        token = client.peer.remote('POST', '/token', headers=alice).json()['token']
        client.ipfs('pin', 'remote', 'service', 'rm', 'cluster')
        client.ipfs('pin', 'remote', 'service', 'add', 'cluster', f'http://127.0.0.1:{client.peer.pinsvc_port}', token)
        client.remote('add', cid)
        assert [c for c, _, _ in client.listed()] == [cid]
        client.peer.stop()


if __name__ == '__main__':
        run(blocking_add_ends_when_it_is_pinned, background_add_ls_rm, many_are_listed_page_by_page, service_is_asked_how_much_it_has, key_is_a_token)
