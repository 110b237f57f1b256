#!/usr/bin/env python3
"""D-Bus against HTTP: on a private bus, every method is compared with what the REST API answers for the same state."""
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from busctl import NAME, PrivateBus, compare_all  # noqa: E402
from cluster_test import PATIENCE, eventually, run  # noqa: E402


def opened(bench):
        bus = PrivateBus(bench)
        peer = bench.peer()
        peer.start(env=bus.env)
        eventually(bus.is_owned, 'the name is owned')
        return bus, peer


def answers_are_those_of_http(bench):
        bus, peer = opened(bench)
        try:
                compare_all(bus, peer)
        finally:
                peer.stop()
                bus.stop()


def comes_and_goes_with_the_bus(bench):
        bus, peer = opened(bench)
        try:
                bus.stop()
                assert peer.get('/id').status == 200
                bus.start()
                eventually(bus.is_owned, 'the name is owned again')
                assert bus.call('Id')['id'] == peer.peer_id
        finally:
                peer.stop()
                bus.stop()


def names_of_instances(bench):
        bus = PrivateBus(bench)
        peer = bench.peer()
        try:
                peer.start('--user', '--instance', 'one', env=bus.env)
                name = NAME + '.one'
                eventually(lambda: bus.is_owned(name), 'the name is owned')
                assert not bus.is_owned()
                assert bus.call('Id', name=name)['id'] == peer.peer_id
        finally:
                peer.stop()
                bus.stop()
        _, err = peer.offline('daemon', '--instance', '1', status=1)
        assert "instance: '1' is not allowed" in err, err


def ends_while_called(bench):
        bus, peer = opened(bench)
        try:
                peer.process.popen.send_signal(signal.SIGTERM)
                assert peer.process.popen.wait(PATIENCE) == 0
                eventually(lambda: not bus.is_owned(), 'the name is given back')
        finally:
                bus.stop()


run(answers_are_those_of_http, comes_and_goes_with_the_bus, names_of_instances, ends_while_called)
