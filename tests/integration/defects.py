#!/usr/bin/env python3
"""What is wrong in the Go program and right here: one short test for each defect, named after it. The first sentence of
each says what the Go program (v1.1.6) does. Others show the same at length; where only a real Kubo can show it, it is in
tests/kubo/defects.py."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from cluster_test import PATIENCE, eventually, multipart, run  # noqa: E402
from ipfs_content import numbered  # noqa: E402

CID, OTHER, THIRD = (str(numbered(n)) for n in (1, 2, 3))
ORIGIN = '/ip4/10.0.0.9/tcp/4001/p2p/12D3KooWFAhJxa957WdJcufKtMjs9CRCR6eRkxjNSQK1oPtUDevv'


def pinset(peer):
        return {p['cid']: p for p in peer.get('/allocations').lines()}


def places(peer, cid):
        return set(peer.ok('GET', f'/allocations/{cid}')['allocations'])


def watchful(config):
        """The defaults, but for the time that it takes to see who is away."""
        config['cluster'].update(monitor_ping_interval='300ms', peer_watch_interval='300ms')
        config['monitor']['pubsubmon']['check_interval'] = '300ms'


def repinning(config):
        watchful(config)
        config['cluster']['disable_repinning'] = False


def three(bench, edit=watchful):
        """Three peers that know of each other's room."""
        peers = bench.cluster(3, edit=edit)
        for peer in peers:
                peer.launch()
        for peer in peers:
                peer.ready()
        until_room_is_known(*peers)
        return peers


def until_room_is_known(*peers):
        ids = {p.peer_id for p in peers}
        for peer in peers:
                eventually(lambda p=peer: ids <= {m['peer'] for m in p.ok('GET', '/monitor/metrics/freespace')}, 'room is known')


def is_alerted(peer, lost):
        return any(a['name'] == 'ping' and a['peer'] == lost.peer_id for a in peer.ok('GET', '/health/alerts'))


# ---- the log

def a_pin_inherits_fields_of_earlier_entries(bench):
        """In Raft mode the FSM reuses one object: a plain pin gets name, metadata, origins, expiry and depth of what was
        logged before. Here each entry stands for itself, also when the log is read again."""
        peer = bench.peer().start()
        peer.ok('POST', f'/pins/{CID}?name=first&meta-a=b&mode=direct&shard-size=7&expire-at=2031-01-01T00:00:00Z&origins={ORIGIN}')
        peer.ok('POST', f'/pins/{OTHER}')
        for _ in range(2):
                pin = pinset(peer)[OTHER]
                assert (pin['name'], pin['metadata'], pin['mode'], pin['max_depth'], pin['shard_size'], pin['origins'], pin['expire_at']) == (
                        '', None, 'recursive', -1, 0, [], '0001-01-01T00:00:00Z'), pin
                peer.kill()
                peer.start()


def a_bad_import_has_wiped_the_state(bench):
        """The state is cleared first, and the bad line is found afterwards."""
        peer = bench.peer()
        peer.offline('state', 'import', '--force', input=json.dumps({'cid': CID}))
        peer.offline('state', 'import', '--force', input=json.dumps({'cid': OTHER}) + '{"cid":"junk"}', status=1)
        assert [json.loads(l)['cid'] for l in peer.offline('state', 'export')[0].splitlines()] == [CID]


# ---- pins and Kubo

def a_pin_that_kubo_fails_late_is_pinned(bench):
        """The end of Kubo's answer is success, whatever its trailer says."""
        kubo = bench.stand_in()
        peer = bench.peer(kubo).start()
        kubo.fault('pin/add', 'trailer', message='no space left on device')
        peer.ok('POST', f'/pins/{CID}')
        pin = peer.until(CID, 'pin_error', 'pinned')
        assert pin['status'] == 'pin_error' and 'no space left on device' in pin['error'], pin


def a_list_of_kubo_that_breaks_off_is_whole(bench):
        """What the list had no time to name is taken for unpinned, and pinned again."""
        kubo = bench.stand_in()
        peer = bench.peer(kubo).start()
        for cid in CID, OTHER:
                peer.pin(cid)
        n_pinned = kubo.count('pin/add')
        kubo.fault('pin/ls', 'trailer', message='the list broke')
        answer = peer.post('/pins/recover')
        assert answer.status == 500 and 'the list broke' in answer.json()['message'], answer
        assert {p['peer_map'][peer.peer_id]['status'] for p in peer.get('/pins').lines()} == {'pinned'}
        assert kubo.count('pin/add') == n_pinned


def direct_pins_are_never_listed(bench):
        """The list asks for recursive pins only: direct ones are unexpectedly_unpinned, and queued by each recover."""
        kubo = bench.stand_in()
        peer = bench.peer(kubo).start()
        peer.pin(CID, 'mode=direct')
        n_pinned = kubo.count('pin/add')
        recovered = peer.post('/pins/recover')
        assert recovered.status == 204, recovered  # nothing to do
        assert [p['peer_map'][peer.peer_id]['status'] for p in peer.get('/pins').lines()] == ['pinned']
        assert kubo.count('pin/add') == n_pinned


def mode_direct_is_lost_by_cid(bench):
        """POST /pins/<cid>?mode=direct pins recursively; only a path keeps the mode."""
        kubo = bench.stand_in()
        peer = bench.peer(kubo).start()
        assert peer.ok('POST', f'/pins/{CID}?mode=direct')['mode'] == 'direct'
        peer.until(CID, 'pinned')
        assert kubo.pin_type(CID) == 'direct' and pinset(peer)[CID]['max_depth'] == 0


def a_failed_unpin_is_hidden(bench):
        """Once the CID has left the state it is unpinned everywhere, whatever Kubo says; no list shows it."""
        kubo = bench.stand_in()
        peer = bench.peer(kubo).start()
        peer.pin(CID)
        kubo.fault('pin/rm', 'status', message='cannot unpin')
        peer.ok('DELETE', f'/pins/{CID}')
        assert 'cannot unpin' in peer.until(CID, 'unpin_error')['error']
        assert [p['cid'] for p in peer.get('/pins').lines()] == [CID]
        kubo.fault('pin/rm')
        assert [p['cid'] for p in peer.post('/pins/recover').lines()] == [CID]
        peer.until(CID, 'unpinned')


def all_is_well_while_kubo_is_down(bench):
        """GET /pins is 204, an empty list, and so is POST /pins/recover."""
        kubo = bench.stand_in()
        peer = bench.peer(kubo).start()
        peer.pin(CID)
        kubo.stop()
        assert [p['cid'] for p in peer.get('/pins').lines()] == [CID]
        answer = peer.post('/pins/recover')
        assert answer.status == 500 and '127.0.0.1' in answer.json()['message'], answer


def kubo_with_authorizations_cannot_be_used(bench):
        """There is no way to give the connector what Kubo's API.Authorizations ask for."""
        for credentials in 'bearer:a token', 'basic:user:password':
                kubo = bench.stand_in('--authorization', credentials)
                peer = bench.peer(kubo, edit=lambda c, text=credentials: c['ipfs_connector']['ipfshttp'].update(authorization=text)).start()
                peer.pin(CID)
                peer.stop()


# ---- requests

def a_bad_option_is_refused_and_carried_out(bench):
        """400, then the pin is made all the same, without any of its options, and a second document follows."""
        peer = bench.peer().start()
        for path in f'/pins/{CID}', f'/pins/ipfs/{CID}':
                answer = peer.post(path + '?name=x&replication-min=junk')
                assert answer.status == 400 and answer.json()['code'] == 400, answer  # one document
        assert peer.get('/allocations').status == 204


def add_without_a_part_panics(bench):
        """The handler panics, and the connection closes without an answer."""
        peer = bench.peer().start()
        answer = peer.post('/add', headers={'Content-Type': 'multipart/form-data; boundary=x'}, body='--x--\r\n')
        assert answer.status == 400 and answer.json()['message'], answer
        assert peer.get('/allocations').status == 204


def only_the_last_of_several_files_is_pinned(bench):
        """Files that are added beside each other are all told, but one is pinned."""
        peer = bench.peer().start()
        headers, body = multipart({'a': b'one', 'b': b'two'})
        told = {l['cid'] for l in peer.post('/add', headers=headers, body=body).lines()}
        assert len(told) == 2 and set(pinset(peer)) == told, (told, pinset(peer))


def a_failed_sharded_add_leaves_pins_for_good(bench):
        """Its shard and clusterdag pins stay, and no call can remove them."""
        peer = bench.peer().start()
        headers, body = multipart({'a': b'content'})
        answer = peer.post('/add?shard=true', headers=headers, body=body)
        assert answer.status >= 400 and 'shard' in answer.json()['message'], answer
        assert peer.get('/allocations?filter=all').status == 204


# ---- the proxy

def any_web_page_can_pin_and_unpin(bench):
        """Hijacked calls take GET, and look at no Origin."""
        peer = bench.peer(proxy={}).start()
        assert peer.proxied(f'pin/add?arg={CID}', method='GET').status == 405
        assert peer.proxied(f'pin/add?arg={CID}', headers={'Origin': 'http://evil.example'}).status == 403
        assert peer.get('/allocations').status == 204
        assert peer.proxied(f'pin/add?arg={CID}').status == 200


def only_hash_is_an_error_and_a_result(bench):
        """The proxy answers add?only-hash=true with status 500, an error, and then the result."""
        kubo = bench.stand_in()
        peer = bench.peer(kubo, proxy={}).start()
        headers, body = multipart({'a': b'content'})
        answer = peer.proxied('add?only-hash=true', body, headers)
        assert answer.status == 200 and [l['Name'] for l in answer.lines()] == ['a'], answer
        assert peer.get('/allocations').status == 204


def the_repository_is_empty_while_kubo_is_down(bench):
        """The proxy's repo/stat is {"RepoSize":0,"StorageMax":0}, repo/gc 200 and empty."""
        kubo = bench.stand_in()
        peer = bench.peer(kubo, proxy={}).start()
        kubo.stop()
        for path in 'repo/stat', 'repo/gc':
                answer = peer.proxied(path)
                assert answer.status >= 500 or answer.trailers.get('X-Stream-Error'), answer


# ---- several peers

def alerts_end_after_the_first(bench):
        """With repinning disabled, the default, the loop returns: no other alert ever comes."""
        peers = three(bench)
        for lost in peers[1:]:
                lost.kill()
                eventually(lambda p=lost: is_alerted(peers[0], p), 'there is an alert')
                lost.start()
                until_room_is_known(*peers)


def pins_of_a_removed_peer_stay_short(bench):
        """With repinning disabled, the default, its pins keep naming it, and one copy is missing."""
        peers = three(bench)
        peers[0].ok('POST', f'/pins/{CID}?replication-min=2&replication-max=2')
        removed = next(p for p in peers if p.peer_id in places(peers[0], CID))
        others = [p for p in peers if p is not removed]
        assert others[0].delete(f'/peers/{removed.peer_id}').status == 204
        eventually(lambda: places(others[0], CID) == {p.peer_id for p in others}, 'the others hold it')
        for peer in others:
                peer.until(CID, 'pinned')


def a_removed_peer_hangs_when_it_is_started(bench):
        """It waits for 20 s, stops its components, and then ignores SIGTERM."""
        peers = three(bench)
        removed = peers[2]
        removed.kill()
        assert peers[0].delete(f'/peers/{removed.peer_id}').status == 204
        removed.launch()
        eventually(lambda: not removed.process.running(), 'it ends by itself')
        assert removed.process.popen.returncode == 0 and 'was removed from its cluster' in removed.process.text()


def a_filter_misses_the_peer_that_is_dead(bench):
        """GET /pins?filter=cluster_error is 204 while a peer is dead."""
        peers = three(bench)
        peers[0].ok('POST', f'/pins/{CID}')
        peers[0].until(CID, 'pinned')
        dead = peers[2]
        dead.kill()

        def told():
                lines = peers[0].get('/pins?filter=cluster_error').lines()
                return lines and lines[0]['peer_map'].get(dead.peer_id, {}).get('error')
        eventually(told, 'the dead peer is told of')


def a_pin_made_by_an_update_cannot_move(bench):
        """It keeps pin_update: a repin goes by the update again, and fails once FROM is unpinned."""
        peers = three(bench, repinning)
        peers[0].ok('POST', f'/pins/{CID}?replication-min=2&replication-max=2')
        peers[0].until(CID, 'pinned', 'remote')
        peers[0].ok('POST', f'/pins/{OTHER}?pin-update={CID}')
        peers[0].ok('DELETE', f'/pins/{CID}')
        lost = next(p for p in peers if p.peer_id in places(peers[0], OTHER))
        others = [p for p in peers if p is not lost]
        lost.kill()
        eventually(lambda: places(others[0], OTHER) == {p.peer_id for p in others}, 'the others hold it')


# ---- the programs

def a_wrong_flag_is_a_success(bench):
        """ipfs-cluster-service ends with 0 after `Incorrect Usage`."""
        peer = bench.peer()
        peer.offline('init', '--frob', status=1)
        peer.offline('daemon', '--frob', status=1)


def a_refused_init_leaves_its_files(bench):
        """init --peers with an address that cannot be used ends with 1 after it has written both files."""
        folder = os.path.join(bench.folder, 'refused')
        done = subprocess.run([bench.service, '-c', folder, 'init', '--peers', 'junk'], capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 1 and 'junk' in done.stderr, done
        assert not os.path.exists(os.path.join(folder, 'service.json'))


run(a_pin_inherits_fields_of_earlier_entries, a_bad_import_has_wiped_the_state, a_pin_that_kubo_fails_late_is_pinned,
    a_list_of_kubo_that_breaks_off_is_whole, direct_pins_are_never_listed, mode_direct_is_lost_by_cid, a_failed_unpin_is_hidden,
    all_is_well_while_kubo_is_down, kubo_with_authorizations_cannot_be_used, a_bad_option_is_refused_and_carried_out,
    add_without_a_part_panics, only_the_last_of_several_files_is_pinned, a_failed_sharded_add_leaves_pins_for_good,
    any_web_page_can_pin_and_unpin, only_hash_is_an_error_and_a_result, the_repository_is_empty_while_kubo_is_down,
    alerts_end_after_the_first, pins_of_a_removed_peer_stay_short, a_removed_peer_hangs_when_it_is_started,
    a_filter_misses_the_peer_that_is_dead, a_pin_made_by_an_update_cannot_move, a_wrong_flag_is_a_success,
    a_refused_init_leaves_its_files)
