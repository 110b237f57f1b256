#!/usr/bin/env python3
"""Kubo slow, absent, restarting or lying changes nothing but statuses, each with words; what it refuses is told with
its own."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from cluster_test import eventually, run  # noqa: E402
from ipfs_content import numbered  # noqa: E402

CID, OTHER = str(numbered(1)), str(numbered(2))


def impatient(config):
        config['ipfs_connector']['ipfshttp'].update(pin_timeout='1s', ipfs_request_timeout='1s', unpin_timeout='1s')


def fails_with(bench, kind, words, **details):
        """A pin that meets a fault of Kubo is a pin error with WORDS, and a recover makes it good."""
        kubo = bench.stand_in()
        peer = bench.peer(kubo, edit=impatient).start()
        kubo.fault('pin/add', kind, **details)
        peer.ok('POST', f'/pins/{CID}')
        pin = peer.until(CID, 'pin_error')
        assert words in pin['error'], pin
        assert pin['attempt_count'] >= 1, pin
        assert kubo.pin_type(CID) is None
        kubo.fault('pin/add')
        peer.ok('POST', f'/pins/{CID}/recover')
        assert peer.until(CID, 'pinned')['error'] == ''
        assert kubo.pin_type(CID) == 'recursive'


def an_error_of_kubo(bench):
        fails_with(bench, 'status', 'the disk is full', message='the disk is full')


def an_error_in_the_trailer(bench):
        fails_with(bench, 'trailer', 'block was lost', message='block was lost')


def an_answer_that_is_cut(bench):
        fails_with(bench, 'cut', '')


def an_answer_that_is_garbage(bench):
        fails_with(bench, 'garbage', '')


def a_refusal(bench):
        fails_with(bench, 'deny', 'Access Denied')


def progress_that_stands_still(bench):
        fails_with(bench, 'stall', '', interval=0.1)


def no_answer(bench):
        fails_with(bench, 'hang', '')


def an_unpin_that_fails_is_told(bench):
        kubo = bench.stand_in()
        peer = bench.peer(kubo).start()
        peer.pin(CID)
        kubo.fault('pin/rm', 'status', message='cannot unpin')
        peer.ok('DELETE', f'/pins/{CID}')
        pin = peer.until(CID, 'unpin_error')
        assert 'cannot unpin' in pin['error'], pin
        assert [p['cid'] for p in peer.get('/pins?filter=unpin_error').lines()] == [CID]
        kubo.fault('pin/rm')
        peer.ok('POST', f'/pins/{CID}/recover')
        peer.until(CID, 'unpinned')
        assert kubo.pin_type(CID) is None


def a_slow_kubo_delays_nothing_else(bench):
        kubo = bench.stand_in()
        peer = bench.peer(kubo).start()
        kubo.fault('pin/add', 'hang', cid=CID)
        peer.ok('POST', f'/pins/{CID}')
        peer.pin(OTHER)
        assert peer.get('/health').status == 204
        assert peer.status(CID)['status'] == 'pinning'


def no_attempt_is_counted_while_kubo_is_down(bench):
        kubo = bench.stand_in(state=os.path.join(bench.folder, 'state'))
        peer = bench.peer(kubo).start()
        peer.pin(OTHER)
        kubo.stop()
        peer.ok('POST', f'/pins/{CID}')
        eventually(lambda: peer.ok('GET', '/id')['ipfs'].get('error'), 'the peer sees that Kubo is gone')

        def waits():
                waits.listed = {p['cid']: p['peer_map'][peer.peer_id] for p in peer.get('/pins?local=true').lines()}
                return waits.listed[CID]['status'] == 'pin_queued' and waits.listed[CID]['attempt_count'] == 0

        eventually(waits, 'an attempt that met no Kubo is as good as none')
        assert waits.listed[OTHER]['status'] == 'pinned', waits.listed
        kubo.start()
        assert peer.until(CID, 'pinned')['error'] == ''


def starts_without_kubo(bench):
        kubo = bench.stand_in()
        peer = bench.peer(kubo)
        kubo.stop()
        peer.launch()
        peer.serving()
        peer.ok('POST', f'/pins/{CID}')
        kubo.start()
        peer.ready()
        peer.until(CID, 'pinned')


def sends_credentials(bench):
        kubo = bench.stand_in('--authorization', 'bearer:a token')
        peer = bench.peer(kubo, edit=lambda c: c['ipfs_connector']['ipfshttp'].update(authorization='bearer:a token')).start()
        peer.pin(CID)


TESTS = [an_error_of_kubo, an_error_in_the_trailer, an_answer_that_is_cut, an_answer_that_is_garbage, a_refusal,
         progress_that_stands_still, no_answer, an_unpin_that_fails_is_told, a_slow_kubo_delays_nothing_else,
         no_attempt_is_counted_while_kubo_is_down, starts_without_kubo, sends_credentials]
run(*TESTS)
