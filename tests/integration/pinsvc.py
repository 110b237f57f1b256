#!/usr/bin/env python3
"""The Pinning Service API as its specification has it: several requests for one CID, lists and their pages, what
replaces and removes, three peers, and input that is bad."""
import concurrent.futures
import json
import os
import sys
import urllib.parse
from datetime import datetime

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from cluster_test import eventually, exchange, run  # noqa: E402
from ipfs_content import numbered  # noqa: E402

ALL = 'queued,pinning,pinned,failed'
STRANGER = '12D3KooWPWhuasJ2zc7v4bJZFHfYpmUAkehjqZQVbzjjf8JAmd4Q'
ORIGIN = f'/ip4/127.0.0.1/tcp/20021/p2p/{STRANGER}'


def cid_of(n):
        return str(numbered(n))


def start(bench, **options):
        return bench.peer(pinsvc={}, **options).start()


def add(peer, cid, **pin):
        response = peer.remote('POST', '/pins', {'cid': cid, **pin})
        assert response.status == 202, response
        return response.json()


def ls(peer, **query):
        response = peer.remote('GET', '/pins?' + urllib.parse.urlencode(query))
        assert response.status == 200, response
        return response.json()


def ids(listed):
        return [r['requestid'] for r in listed['results']]


def get(peer, request):
        response = peer.remote('GET', f'/pins/{request}')
        assert response.status in (200, 404), response
        return response.json() if response.status == 200 else None


def until(peer, request, status='pinned'):
        eventually(lambda: get(peer, request)['status'] == status, f'{request} is {status}')


def remove(peer, request, status=202):
        response = peer.remote('DELETE', f'/pins/{request}')
        assert response.status == status, response
        return response


def refused(response, status, reason, words):
        assert response.status == status, response
        assert response.header('Content-Type') == 'application/json', response
        error = response.json()['error']
        assert error['reason'] == reason, response
        assert words in error['details'], response


def requests_of_one_cid(bench):
        peer, cid = start(bench), cid_of(1)
        first = add(peer, cid, name='one', meta={'a': '1'}, origins=[ORIGIN])
        assert first['status'] == 'queued' and first['pin'] == {'cid': cid, 'name': 'one', 'meta': {'a': '1'}, 'origins': [ORIGIN]}
        second = add(peer, cid, name='two')
        assert first['requestid'] != second['requestid'] and first['created'] < second['created']
        assert second['pin'] == {'cid': cid, 'name': 'two'}
        until(peer, first['requestid'])
        until(peer, second['requestid'])
        listed = ls(peer)
        assert listed['count'] == 2 and ids(listed) == [second['requestid'], first['requestid']], listed
        assert listed['results'][1] == {**first, 'status': 'pinned'}

        remove(peer, first['requestid'])
        assert get(peer, first['requestid']) is None
        refused(remove(peer, first['requestid'], 404), 404, 'NOT_FOUND', first['requestid'])
        assert get(peer, second['requestid'])['status'] == 'pinned', 'the pin stays for the other'
        assert peer.kubo.pin_type(cid) == 'recursive'
        remove(peer, second['requestid'])
        eventually(lambda: peer.kubo.pin_type(cid) is None, 'the last one takes the pin along')
        assert ls(peer, status=ALL) == {'count': 0, 'results': []}
        peer.stop()


def pins_of_others(bench):
        """What was pinned by REST is one request with the CID as its id; requests come beside it."""
        peer, cid = start(bench), cid_of(1)
        peer.pin(cid, 'name=mine&meta-k=v')
        plain = get(peer, cid)
        assert plain['requestid'] == cid and plain['pin'] == {'cid': cid, 'name': 'mine', 'meta': {'k': 'v'}}
        request = add(peer, cid, name='theirs')
        assert ls(peer, cid=cid)['count'] == 2
        remove(peer, cid)
        assert ids(ls(peer, cid=cid)) == [request['requestid']], 'the pin stays for the request'
        refused(remove(peer, cid, 404), 404, 'NOT_FOUND', cid)
        peer.pin(cid)
        remove(peer, request['requestid'])
        assert ids(ls(peer, cid=cid)) == [cid], 'the pin stays for who pinned it'
        add(peer, cid)
        peer.ok('DELETE', f'/pins/{cid}')
        assert ls(peer, status=ALL)['count'] == 0, 'an administrator unpins for all'
        peer.stop()


def replaced(bench):
        peer = start(bench)
        old = add(peer, cid_of(1), name='a', meta={'k': 'v'})
        until(peer, old['requestid'])
        response = peer.remote('POST', f"/pins/{old['requestid']}", {'cid': cid_of(2), 'name': 'b'})
        assert response.status == 202, response
        new = response.json()
        assert new['pin'] == {'cid': cid_of(2), 'name': 'b'} and get(peer, old['requestid']) is None
        until(peer, new['requestid'])
        eventually(lambda: peer.kubo.pin_type(cid_of(1)) is None, 'the old one is unpinned')
        same = peer.remote('POST', f"/pins/{new['requestid']}", {'cid': cid_of(2), 'name': 'c'}).json()
        assert ids(ls(peer, status=ALL)) == [same['requestid']] and peer.kubo.pin_type(cid_of(2)) == 'recursive'
        refused(peer.remote('POST', f"/pins/{old['requestid']}", {'cid': cid_of(3)}), 404, 'NOT_FOUND', '')
        refused(peer.remote('POST', '/pins/junk', {'cid': cid_of(3)}), 400, 'BAD_REQUEST', "requestid: 'junk'")
        assert ls(peer, cid=cid_of(3), status=ALL)['count'] == 0, 'what is refused has no effect'
        peer.stop()


def filters(bench):
        peer = start(bench)
        made = [add(peer, cid_of(n), name=name, meta=meta) for n, (name, meta) in enumerate([
                ('Report.PDF', {'app': 'x'}), ('report.pdf', {'app': 'x', 'v': '2'}), ('my report.pdf.old', {}), ('Ärger', {}), ('', {'app': 'y'})])]
        for request in made:
                until(peer, request['requestid'])
        for query, wanted in [
                ({}, {0, 1, 2, 3, 4}), ({'name': 'report.pdf'}, {1}), ({'name': 'report.pdf', 'match': 'exact'}, {1}),
                ({'name': 'report.pdf', 'match': 'iexact'}, {0, 1}), ({'name': 'report.pdf', 'match': 'partial'}, {1, 2}),
                ({'name': 'REPORT.pdf', 'match': 'ipartial'}, {0, 1, 2}), ({'name': 'äR', 'match': 'ipartial'}, {3}), ({'name': ''}, {4}),
                ({'meta': '{"app":"x"}'}, {0, 1}), ({'meta': '{"app":"x","v":"2"}'}, {1}), ({'meta': '{"app":""}'}, set()),
                ({'cid': f'{cid_of(0)},{cid_of(3)}'}, {0, 3}), ({'cid': cid_of(99)}, set()), ({'cid': cid_of(0), 'name': 'no'}, set()),
                ({'status': 'queued,pinning,failed'}, set()), ({'status': 'pinned'}, {0, 1, 2, 3, 4}),
                ({'before': made[2]['created']}, {0, 1}), ({'after': made[2]['created']}, {3, 4}),
                ({'after': made[0]['created'], 'before': made[4]['created'], 'meta': '{}'}, {1, 2, 3}), ({'before': '2020-01-01T00:00:00Z'}, set())]:
                listed = ls(peer, **query)
                assert set(ids(listed)) == {made[n]['requestid'] for n in wanted}, (query, listed)
                assert listed['count'] == len(wanted) and ids(listed) == [r['requestid'] for r in reversed(made) if r['requestid'] in ids(listed)]
        assert ls(peer, limit=2)['count'] == 5 and ids(ls(peer, limit=2)) == [made[4]['requestid'], made[3]['requestid']]
        peer.stop()


def statuses(bench):
        peer = start(bench)
        peer.kubo.fault('pin/add', 'hang', cid=cid_of(1))
        peer.kubo.fault('pin/add', 'trailer', message='no space left on device')
        stuck = add(peer, cid_of(2))
        until(peer, stuck['requestid'], 'failed')
        assert 'no space' in get(peer, stuck['requestid'])['info']['status_details']
        listed = ls(peer, status='failed')
        assert ids(listed) == [stuck['requestid']] and 'no space' in listed['results'][0]['info']['status_details']
        assert ls(peer)['count'] == 0, 'pinned alone is told when nothing is said'
        peer.kubo.fault('pin/add', 'hang')
        waiting = add(peer, cid_of(1))
        until(peer, waiting['requestid'], 'pinning')
        assert ids(ls(peer, status='pinning,queued')) == [waiting['requestid']]
        peer.kill()


def pages(bench):
        """2,500 requests for 500 CIDs, and 50 plain pins, most of one second: each page by page, once."""
        peer, n = start(bench), 2500
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
                made = set(pool.map(lambda i: add(peer, cid_of(i % 500))['requestid'], range(n)))
                assert len(made) == n
                list(pool.map(lambda i: peer.ok('POST', f'/pins/{cid_of(1000 + i)}'), range(50)))
        made |= {cid_of(1000 + i) for i in range(50)}
        eventually(lambda: ls(peer, limit=1)['count'] == len(made), 'all are pinned')
        for limit in (1000, 97, 10):
                seen, before = [], {}
                while True:
                        page = ls(peer, limit=limit, **before)
                        assert page['count'] == len(made) - len(seen), 'what is left is counted'
                        created = [datetime.fromisoformat(r['created']) for r in page['results']]
                        assert 0 < len(created) <= limit and created == sorted(created, reverse=True)
                        seen += ids(page)
                        if page['count'] == len(created):
                                break
                        before = {'before': page['results'][-1]['created']}
                assert len(seen) == len(set(seen)) and set(seen) == made, limit
        peer.stop()


def three_peers(bench):
        peers = bench.cluster(3, pinsvc={})
        for peer in peers:
                peer.launch()
        for peer in peers:
                peer.ready()
        made = [add(peers[n % 3], cid_of(1), name=str(n)) for n in range(6)]
        for peer in peers:
                eventually(lambda: set(ids(ls(peer))) == {r['requestid'] for r in made}, 'each peer tells of all')
        assert ids(ls(peers[1])) == ids(ls(peers[0])) == ids(ls(peers[2])), 'in one order'

        peers[2].kill()
        other = add(peers[0], cid_of(2))
        eventually(lambda: get(peers[1], other['requestid']), 'the other peer knows of it')
        for request in (made[0], other):
                until(peers[1], request['requestid'])
        assert ls(peers[1])['count'] == 7, 'a peer that is away makes nothing fail'
        remove(peers[1], made[0]['requestid'])
        peers[2].start()
        eventually(lambda: get(peers[2], made[0]['requestid']) is None, 'it catches up')
        eventually(lambda: ls(peers[2])['count'] == 6, 'it knows the others')
        for peer in peers:
                peer.stop()


def bad_input(bench):
        peer = start(bench)
        peer.pin(cid_of(1))
        good = cid_of(2)
        for query, words in [
                ('limit=0', "limit: '0' is not allowed, expected a number from 1 to 1000"), ('limit=1001', 'limit: '), ('limit=x', 'limit: '),
                ('status=zz', "status: 'zz'"), ('status=', "status: ''"), ('match=prefix&name=a', "match: 'prefix'"), ('cid=junk', "cid: 'junk'"),
                ('cid=', "cid: ''"), ('cid=' + ','.join(cid_of(n) for n in range(11)), 'at most 10'), ('before=yesterday', "before: 'yesterday'"),
                ('after=2020', "after: '2020'"), ('meta=zz', "meta: 'zz'"), ('meta=%7B%22a%22%3A1%7D', 'meta: '), ('name=' + 'n' * 256, 'name: ')]:
                refused(peer.remote('GET', f'/pins?{query}'), 400, 'BAD_REQUEST', words)
        for body, words in [
                (b'', 'the body: nothing'), ('zz', 'the body: zz'), ('[]', 'expected an object'), ('{}', 'cid: nothing'), ('{"cid":null}', 'cid: nothing'),
                ({'cid': 'junk'}, 'cid: "junk"'), ({'cid': good, 'name': 'n' * 256}, 'name: 256 characters'), ({'cid': good, 'name': 1}, 'name: 1'),
                ({'cid': good, 'origins': ['junk']}, 'origins: '), ({'cid': good, 'origins': ['/ip4/1.2.3.4/tcp/1']}, 'origins[0]: '),
                ({'cid': good, 'meta': {'a': 1}}, 'meta.a: 1'), ({'cid': good, 'meta': []}, 'meta: []'),
                ('{"cid":"' + good + '","x":' + '[' * 5000 + ']' * 5000 + '}', 'the body: '), ('{"cid":"' + good + '"', 'the body: ')]:
                refused(peer.remote('POST', '/pins', body), 400, 'BAD_REQUEST', words)
                refused(peer.remote('POST', f'/pins/{cid_of(1)}', body), 400, 'BAD_REQUEST', words)
        refused(peer.remote('POST', '/pins', {'cid': good, 'x': 'y' * 70000}), 413, 'TOO_BIG', '65536')
        for method in ('GET', 'DELETE'):
                refused(peer.remote(method, '/pins/junk'), 400, 'BAD_REQUEST', "requestid: 'junk'")
                refused(peer.remote(method, f'/pins/{good}'), 404, 'NOT_FOUND', good)
                refused(peer.remote(method, f'/pins/0006000000000000deadbeef-{good}'), 404, 'NOT_FOUND', good)
        refused(peer.remote('GET', '/pin'), 404, 'NOT_FOUND', 'not found')
        assert peer.remote('PUT', '/pins').status == 405
        assert peer.remote('GET', '/pins/').status == 307
        assert ids(ls(peer, status=ALL)) == [cid_of(1)], 'nothing of it had an effect'
        twice = peer.remote('POST', '/pins', '{"cid":"' + cid_of(3) + '","cid":"' + good + '","Name":"x","unknown":[1]}')
        assert twice.status == 202 and twice.json()['pin'] == {'cid': good}, twice
        peer.stop()


def too_many_for_one(bench):
        peer, most = start(bench), 256
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda i: add(peer, cid_of(1), name=str(i)), range(most)))
        refused(peer.remote('POST', '/pins', {'cid': cid_of(1)}), 409, 'CONFLICT', '256')
        assert ls(peer, status=ALL)['count'] == most
        peer.stop()


def guarded(bench):
        peer = bench.peer(pinsvc={'basic_auth_credentials': {'alice': 'secret1'}}, edit=lambda c: None).start()
        refused(peer.remote('GET', '/pins'), 401, 'UNAUTHORIZED', 'no auth provided')
        assert peer.remote('GET', '/health').status == 204
        alice = {'Authorization': 'Basic YWxpY2U6c2VjcmV0MQ=='}
        token = peer.remote('POST', '/token', headers=alice).json()['token']
        for header in (alice, {'Authorization': f'Bearer {token}'}):
                assert peer.remote('GET', '/pins', headers=header).status == 200
        refused(peer.remote('GET', '/pins', headers={'Authorization': 'Bearer x'}), 401, 'UNAUTHORIZED', 'invalid token')
        assert peer.get('/id').status == 200, 'the other API has credentials of its own'
        peer.stop()


def off_without_its_section(bench):
        peer = bench.peer().start()
        try:
                exchange(peer.pinsvc_port, 'GET', '/health')
        except OSError:
                peer.stop()
                return
        raise AssertionError('it is served')


def init_writes_its_section(bench):
        peer = bench.peer()
        peer.offline('init', '--force', input='yes\n')
        with open(os.path.join(peer.folder, 'service.json'), encoding='utf-8') as f:
                assert json.load(f)['api']['pinsvcapi']['http_listen_multiaddress'] == '/ip4/127.0.0.1/tcp/9097'


if __name__ == '__main__':
        run(requests_of_one_cid, pins_of_others, replaced, filters, statuses, pages, three_peers, bad_input, too_many_for_one, guarded,
            off_without_its_section, init_writes_its_section)
