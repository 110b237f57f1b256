#!/usr/bin/env python3
"""The main jobs of one peer on a real Kubo: pin, update, unpin, tell errors as they are, outlive kills of either."""
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from cluster_test import eventually, run  # noqa: E402
from ipfs_content import CHUNK, Store  # noqa: E402

TREE = {'dir': None, 'dir/a.txt': b'file a\n', 'dir/sub': None, 'dir/sub/c.txt': b'file c\n'}
UNPINNED = {'pin': 'false'}


def add(kubo, text, **query):
        """A file in Kubo that nothing holds yet; its CID."""
        return kubo.add({'file.txt': text.encode()}, **UNPINNED, **query)['file.txt']


def pins_by_cid(bench):
        kubo = bench.real_kubo()
        peer = bench.peer(kubo).start()
        for query in ({}, {'cid-version': '1'}):
                cid = add(kubo, f'by CID {query}', **query)
                assert kubo.pin_type(cid) is None
                peer.pin(cid, 'name=a%20name')
                assert kubo.pin_type(cid) == 'recursive'
                assert kubo.pin_name(cid) == 'a name'
                assert cid in [p['cid'] for p in peer.get('/pins').lines()]
                assert peer.ok('GET', f'/allocations/{cid}')['name'] == 'a name'


def pins_by_path(bench):
        kubo = bench.real_kubo()
        peer = bench.peer(kubo).start()
        added = kubo.add(TREE, **UNPINNED)
        pin = peer.ok('POST', f'/pins/ipfs/{added["dir"]}/sub/c.txt')
        assert pin['cid'] == added['dir/sub/c.txt']
        peer.until(pin['cid'], 'pinned')
        assert kubo.pin_type(pin['cid']) == 'recursive' and kubo.pin_type(added['dir']) is None

        missing = peer.post(f'/pins/ipfs/{added["dir"]}/nope')
        assert missing.status == 500 and 'no link named' in missing.json()['message'], missing


def pins_directly(bench):
        kubo = bench.real_kubo()
        peer = bench.peer(kubo).start()
        cid = kubo.add(TREE, **UNPINNED)['dir']
        peer.pin(cid, 'mode=direct')
        assert kubo.pin_type(cid) == 'direct'
        assert peer.ok('GET', f'/allocations/{cid}')['mode'] == 'direct'
        assert [p['cid'] for p in peer.get('/pins?filter=pinned').lines()] == [cid]


def updates(bench):
        kubo = bench.real_kubo()
        peer = bench.peer(kubo).start()
        old = kubo.add(TREE, **UNPINNED)['dir']
        new = kubo.add({**TREE, 'dir/b.txt': b'file b\n'}, **UNPINNED)['dir']
        peer.pin(old, 'name=site')
        pin = peer.ok('POST', f'/pins/{new}?pin-update={old}')
        assert pin['name'] == 'site' and pin['pin_update'] == old
        peer.until(new, 'pinned')
        assert kubo.pin_type(new) == 'recursive' and kubo.pin_type(old) == 'recursive'


def unpins(bench):
        kubo = bench.real_kubo()
        peer = bench.peer(kubo).start()
        cid = add(kubo, 'soon gone')
        peer.pin(cid)
        assert peer.ok('DELETE', f'/pins/{cid}')['cid'] == cid
        peer.until(cid, 'unpinned')
        assert kubo.pin_type(cid) is None
        assert peer.get('/pins').status == 204
        assert peer.delete(f'/pins/{cid}').status == 404


def a_failed_pin_shows_the_words_of_kubo(bench):
        """Nothing of the content is here: Kubo refuses at once."""
        kubo = bench.real_kubo(offline=True)
        peer = bench.peer(kubo).start()
        cid = str(Store().file(b'nowhere to be found'))
        peer.ok('POST', f'/pins/{cid}')
        pin = peer.until(cid, 'pin_error')
        assert 'could not find' in pin['error'] and pin['attempt_count'] >= 1, pin
        assert [p['cid'] for p in peer.get('/pins?filter=pin_error').lines()] == [cid]

        assert add(kubo, 'nowhere to be found') == cid
        peer.ok('POST', f'/pins/{cid}/recover')
        assert peer.until(cid, 'pinned')['error'] == ''


def a_pin_that_lacks_one_block_is_not_pinned(bench):
        kubo = bench.real_kubo(offline=True)
        peer = bench.peer(kubo).start()
        data = random.Random(7).randbytes(4 * CHUNK)
        cid = kubo.add({'file.bin': data}, **UNPINNED)['file.bin']
        lost = str(Store().file(data[CHUNK:2 * CHUNK]))
        assert kubo.call('block/rm', arg=lost).status == 200
        peer.ok('POST', f'/pins/{cid}')
        pin = peer.until(cid, 'pin_error')
        assert lost in pin['error'] or 'could not find' in pin['error'], pin
        assert kubo.pin_type(cid) is None


def outlives_a_restart_of_kubo(bench):
        kubo = bench.real_kubo()
        peer = bench.peer(kubo).start()
        first, second = add(kubo, 'first'), add(kubo, 'second')
        peer.pin(first)
        kubo.kill()
        peer.ok('POST', f'/pins/{second}')
        assert peer.status(second)['status'] in ('pin_queued', 'pinning', 'pin_error')
        assert peer.get('/health').status == 204
        kubo.start()
        peer.until(second, 'pinned')
        assert peer.status(first)['status'] == 'pinned'
        assert kubo.pin_type(second) == 'recursive'


def outlives_its_own_kill(bench):
        kubo = bench.real_kubo()
        peer = bench.peer(kubo).start()
        cids = [add(kubo, f'file {n}') for n in range(10)]
        for cid in cids[:5]:
                peer.pin(cid)
        for cid in cids[5:]:
                peer.ok('POST', f'/pins/{cid}?name=late')
        peer.kill()
        peer.start()
        for cid in cids:
                peer.until(cid, 'pinned')
                assert kubo.pin_type(cid) == 'recursive'
        assert sorted(p['cid'] for p in peer.get('/allocations').lines()) == sorted(cids)


def finds_what_happened_behind_its_back(bench):
        kubo = bench.real_kubo()
        peer = bench.peer(kubo).start()
        cid = add(kubo, 'taken away')
        peer.pin(cid)
        assert kubo.call('pin/rm', arg=cid).status == 200
        peer.ok('POST', f'/pins/{cid}/sync')
        peer.until(cid, 'unexpectedly_unpinned')
        peer.ok('POST', f'/pins/{cid}/recover')
        peer.until(cid, 'pinned')
        assert kubo.pin_type(cid) == 'recursive'


def collects_garbage(bench):
        kubo = bench.real_kubo()
        peer = bench.peer(kubo).start()
        kept, lost = add(kubo, 'kept'), add(kubo, 'lost')
        peer.pin(kept)
        told = peer.ok('POST', '/ipfs/gc')['peer_map'][peer.peer_id]
        assert told['keys'] and not told.get('error'), told
        assert kubo.call('block/get', arg=kept, offline='true').status == 200
        assert kubo.call('block/get', arg=lost, offline='true').status == 500


def tells_of_its_kubo(bench):
        kubo = bench.real_kubo()
        peer = bench.peer(kubo).start()
        told = peer.ok('GET', '/id')
        assert told['id'] == peer.peer_id and told['ipfs']['id'] == kubo.peer_id
        free = eventually(lambda: peer.ok('GET', '/monitor/metrics/freespace'), 'a metric of free space')
        assert int(free[0]['value']) > 0


run(pins_by_cid, pins_by_path, pins_directly, updates, unpins, a_failed_pin_shows_the_words_of_kubo,
    a_pin_that_lacks_one_block_is_not_pinned, outlives_a_restart_of_kubo, outlives_its_own_kill,
    finds_what_happened_behind_its_back, collects_garbage, tells_of_its_kubo)
