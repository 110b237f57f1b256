#!/usr/bin/env python3
"""What is wrong in the Go program and right here, as far as a real Kubo has to show it; the rest is in
tests/integration/defects.py. The first sentence of each test says what the Go program (v1.1.6) does."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from cluster_test import eventually, multipart, run  # noqa: E402
from ipfs_content import Store  # noqa: E402


def a_pin_that_kubo_fails_late_is_pinned(bench):
        """Kubo answers 200 and progress, and tells in the trailer that it came to nothing, which nobody reads."""
        kubo = bench.real_kubo()
        peer = bench.peer(kubo).start()
        cid = str(Store().file(b'nowhere to be found'))
        failed = kubo.call('pin/add', arg=cid, progress='true', timeout='1s')
        assert failed.status == 200 and failed.trailers['X-Stream-Error'], failed
        peer.ok('POST', f'/pins/{cid}')
        eventually(lambda: peer.status(cid)['status'] == 'pinning', 'Kubo looks for it')
        time.sleep(1)  # progress comes twice a second: the answer is under way
        kubo.stop()
        eventually(lambda: peer.ok('GET', '/id')['ipfs'].get('error'), 'Kubo is gone')
        told = peer.get('/pins').lines()[0]['peer_map'][peer.peer_id]
        assert told['status'] == 'pin_error' and told['error'], told


def direct_pins_are_never_listed(bench):
        """Kubo is asked for recursive pins and the list ends there: direct ones are unexpectedly_unpinned."""
        kubo = bench.real_kubo()
        peer = bench.peer(kubo).start()
        cid = kubo.add({'a': b'a direct pin'}, pin='false')['a']
        peer.pin(cid, 'mode=direct')
        assert kubo.pin_type(cid) == 'direct'
        assert peer.post('/pins/recover').status == 204
        assert [p['peer_map'][peer.peer_id]['status'] for p in peer.get('/pins').lines()] == ['pinned']


def kubo_with_authorizations_cannot_be_used(bench):
        """There is no way to give the connector what Kubo's API.Authorizations ask for."""
        kubo = bench.real_kubo()
        cid = kubo.add({'a': b'behind a door'}, pin='false')['a']
        kubo.stop()
        kubo.run('config', '--json', 'API.Authorizations',
                 json.dumps({'cluster': {'AuthSecret': 'bearer:a token', 'AllowedPaths': ['/api/v0']}}))
        key = {'Authorization': 'Bearer a token'}
        kubo.ready = lambda: knocks(kubo, key)
        kubo.start()
        assert kubo.call('id').status == 403
        peer = bench.peer(kubo, edit=lambda c: c['ipfs_connector']['ipfshttp'].update(authorization='bearer:a token')).start()
        peer.pin(cid)
        assert kubo.call('pin/ls', headers=key, arg=cid).status == 200


def knocks(kubo, key):
        try:
                return kubo.call('id', headers=key).status == 200
        except (OSError, EOFError):
                return False


def only_the_last_of_several_files_is_pinned(bench):
        """Files that are added beside each other are all told, but one is pinned."""
        kubo = bench.real_kubo()
        peer = bench.peer(kubo).start()
        headers, body = multipart({'a': b'one of two', 'b': b'two of two'})
        told = [l['cid'] for l in peer.post('/add', headers=headers, body=body).lines()]
        assert len(told) == 2, told
        for cid in told:
                eventually(lambda c=cid: kubo.pin_type(c) == 'recursive', 'Kubo has pinned it')


run(a_pin_that_kubo_fails_late_is_pinned, direct_pins_are_never_listed, kubo_with_authorizations_cannot_be_used,
    only_the_last_of_several_files_is_pinned)
