#!/usr/bin/env python3
"""The Python clients of IPFS Cluster (ipfscluster of 2019 and asyncipfscluster, from the package index) with a peer and a
real Kubo. Skipped with the reason where pip cannot get them, or this Python is too new for them."""
import json
import os
import subprocess
import sys
import venv

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from cluster_test import Skip, run  # noqa: E402

# The first one does not say which release of ipfshttpclient it was made for.
PACKAGES = {'ipfscluster': ['ipfscluster==0.2.0', 'ipfshttpclient==0.4.12', 'multiaddr<0.0.10'], 'asyncipfscluster': ['asyncipfscluster==0.1.2']}
INSTALL_SECONDS = 90
RUN_SECONDS = 120

IPFSCLUSTER = '''
import json
import sys
import ipfscluster
client = ipfscluster.connect(f'/ip4/127.0.0.1/tcp/{sys.argv[1]}/http')
told = {'version': client.version(), 'id': client.id(), 'peers': client.peers.ls(), 'graph': client.health.graph()}
told['added'] = client.add_bytes(b'from python', name='a-pin')
told['allocation'] = client.allocations.ls(told['added']['cid'])
told['pinned'] = client.pins.add(sys.argv[2])
told['status'] = client.pins.ls(sys.argv[2])
told['synced'] = client.pins.sync(sys.argv[2])
told['recovered'] = client.pins.recover(sys.argv[2])
told['removed'] = client.pins.rm(sys.argv[2])
print(json.dumps(told))
'''

ASYNCIPFSCLUSTER = '''
import asyncio
import json
import sys
from asyncipfscluster import IPFSClient

async def main():
        async with IPFSClient(f'http://127.0.0.1:{sys.argv[1]}') as client:
                told = {'added': await client.add_bytes(b'from async python', 'text/plain', name='async')}
                gone = await client.add_bytes(b'to be removed', 'text/plain')
                await client.remove(gone)
                return told

print(json.dumps(asyncio.run(main())))
'''


def installed(bench, package):
        """A Python that can import PACKAGE."""
        folder = os.path.join(bench.folder, 'venv')
        try:
                venv.create(folder, with_pip=True)
                python = os.path.join(folder, 'bin', 'python')
                done = subprocess.run([python, '-m', 'pip', 'install', '--quiet', *PACKAGES[package]], capture_output=True, text=True,
                                      timeout=INSTALL_SECONDS)
        except subprocess.TimeoutExpired:
                raise Skip(f'pip did not get {package} in {INSTALL_SECONDS} s') from None
        except (subprocess.CalledProcessError, OSError) as e:
                raise Skip(f'there is no pip: {e}') from None
        if done.returncode:
                raise Skip(f'pip cannot get {package}: {done.stderr.strip().splitlines()[-1:]}')
        done = subprocess.run([python, '-W', 'ignore', '-c', f'import {package}'], capture_output=True, text=True)
        if done.returncode:
                raise Skip(f'this Python cannot import {package}: {done.stderr.strip().splitlines()[-1:]}')
        return python


def play(python, program, *arguments):
        done = subprocess.run([python, '-W', 'ignore', '-c', program, *arguments], capture_output=True, text=True, timeout=RUN_SECONDS)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)


def client_of_2019(bench):
        python, kubo = installed(bench, 'ipfscluster'), bench.real_kubo()
        cid = kubo.add({'a': b'to be pinned'}, pin='false')['a']
        peer = bench.peer(kubo).start()
        told = play(python, IPFSCLUSTER, str(peer.port), cid)
        assert told['version'] == {'version': '1.1.6'} and told['id']['id'] == told['peers']['id'] == peer.peer_id, told
        assert told['graph']['cluster_to_ipfs'] == {peer.peer_id: kubo.peer_id}, told
        assert told['added']['name'] == 'a-pin' and told['allocation']['name'] == 'a-pin', told
        assert told['pinned'][0]['cid'] == told['status']['cid'] == told['synced']['cid'] == told['removed'][0]['cid'] == cid, told
        peer.until(told['added']['cid'], 'pinned')
        assert [p['cid'] for p in peer.get('/allocations').lines()] == [told['added']['cid']]


def client_that_is_asynchronous(bench):
        python, kubo = installed(bench, 'asyncipfscluster'), bench.real_kubo()
        peer = bench.peer(kubo).start()
        cid = play(python, ASYNCIPFSCLUSTER, str(peer.port))['added']
        peer.until(cid, 'pinned')
        assert kubo.pin_type(cid) == 'recursive' and peer.ok('GET', f'/allocations/{cid}')['name'] == 'async'
        assert [p['cid'] for p in peer.get('/allocations').lines()] == [cid]


run(client_of_2019, client_that_is_asynchronous)
