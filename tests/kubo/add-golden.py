#!/usr/bin/env python3
"""What was recorded of POST /add is sent again and has to come back equal, CIDs and all: tests/lib/golden.py says how,
tests/golden/DIFFERENCES what is answered otherwise. It takes a real Kubo: chunkers, layouts and hashes are its."""
import base64
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import golden  # noqa: E402
from cluster_test import exchange, run  # noqa: E402

RECORDED_PEER = '12D3KooWEeA2KYBcMpzQuNExHJRt4bBBmtJ7YYvgv3NnuVFQqkzM'
HELLO = 'QmccvEeJ1S95baJ6brLwNCKc6uq89vpVEoUGcEXc5FHhaX'
MIDDLE_PART = ('--BOUNDARYgolden\r\nContent-Disposition: form-data; name="file"; filename="mid.bin"\r\n'
               'Content-Type: application/octet-stream\r\n\r\n').encode()


def middle():
        """The body of the recordings that say only how large it was."""
        return MIDDLE_PART + random.Random(1).randbytes(700000) + b'\r\n--BOUNDARYgolden--\r\n'


def two_cars():
        """The second one, which is large, was not kept; it was not looked at either."""
        one = base64.b64decode(next(r for r in golden.recordings('rest') if r.number == 475).raw['request']['body_base64'])
        return one.replace(b'x.car', b'a.car').replace(b'\r\n--BOUNDARYgolden--', b'\r\n' + middle()[:-2].replace(b'mid.bin', b'b.car'))


def body_of(recording):
        request = recording.raw['request']
        if 'note' in recording.raw and recording.raw['note'] == 'two CAR parts':
                return two_cars()
        if 'body_base64' in request:
                return base64.b64decode(request['body_base64'])
        if 'body_omitted' in request:
                body = middle()
                assert request['body_omitted'].startswith(f'{len(body)} bytes'), recording.name
                return body
        return request.get('body', '').encode()


def replayed(peer, recording, table):
        rules = golden.differences_of(recording.name, table)
        if any(r.action == 'left-out' for r in rules):
                return []
        request, response = recording.substituted([(RECORDED_PEER, peer.peer_id)])
        got = exchange(peer.port, request['method'], request['path'], request.get('headers', {}), body_of(recording))
        if request['method'] != 'POST':
                rules = rules + [golden.Difference('', 'mask', 'timestamp', '')]
        return [f'{recording.name}: {c}' for c in golden.compare(response, got, rules)]


def add_is_as_recorded(bench):
        kubo = bench.real_kubo()
        peer = bench.peer(kubo).start()
        table, complaints = golden.differences(), []
        for recording in golden.recordings('rest'):
                if 400 <= recording.number < 500:
                        complaints += replayed(peer, recording, table)
        assert not complaints, f'{len(complaints)} differences:\n' + '\n'.join(complaints)


def kubo_down(bench):
        """What is told when there is no Kubo: its reason, nothing that was not added, and nothing is pinned."""
        kubo = bench.real_kubo()
        peer = bench.peer(kubo).start()
        kubo.kill()
        for recording in golden.recordings('rest'):
                if recording.number in (629, 636):
                        request = recording.raw['request']
                        got = peer.post(request['path'], headers=request['headers'], body=request['body'])
                        assert got.status == 200 and got.framing == 'chunked' and not got.body, got
                        assert 'Connection refused' in got.trailers['X-Stream-Error'], got.trailers
                if recording.number == 630:
                        request = recording.raw['request']
                        got = peer.post(request['path'], headers=request['headers'], body=request['body'])
                        assert got.status == 500 and 'Connection refused' in got.json()['message'], got
        assert peer.get('/allocations').status == 204


run(add_is_as_recorded, kubo_down)
