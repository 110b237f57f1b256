"""machine.py: what the programs that run in a booted systemd (boot.py) have in common."""
import json
import os
import pwd
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from busctl import NAME, Bus  # noqa: E402
from cluster_test import PATIENCE, Skip, exchange  # noqa: E402

HELLO = 'QmccvEeJ1S95baJ6brLwNCKc6uq89vpVEoUGcEXc5FHhaX'
UNIT, SOCKET = 'ipfs-cluster.service', 'ipfs-cluster-api.socket'
API, KUBO = 9094, 5001
ADDRESS = 'unix:path=/run/dbus/system_bus_socket'
POLICY = '/usr/share/dbus-1/system.d/org.ipfs.Cluster.conf'
ETC, STATE = '/etc/ipfs-cluster', '/var/lib/ipfs-cluster'
DROP_INS = [f'/run/systemd/system/{u}.d/test.conf' for u in (UNIT, SOCKET)]


# ---- systemd

def told(*command, status=0, env=None):
        """What a command says; it has to end with this status."""
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=env, stdin=subprocess.DEVNULL)
        assert done.returncode == status, f'{command}: status {done.returncode}\n{done.stdout}{done.stderr}'
        return done.stdout + done.stderr


def systemctl(*arguments, status=0):
        try:
                return told('systemctl', '--no-pager', *arguments, status=status)
        except AssertionError as e:
                raise AssertionError(f'{e}{told("journalctl", "--no-pager", "--lines=20")}') from None


def show(name, unit=UNIT):
        return systemctl('show', '--property', name, '--value', unit).strip()


def journal(*matches, unit=UNIT):
        lines = told('journalctl', '--no-pager', '--boot', '--output=json', '--unit', unit, *matches)
        return [json.loads(l) for l in lines.splitlines() if l.startswith('{')]


def main_pid(unit=UNIT):
        return int(show('MainPID', unit))


def drop_in(path=DROP_INS[0], section='[Service]', **settings):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w', encoding='ascii') as f:
                f.write(section + '\n' + ''.join(f'{k}={v}\n' for k, v in settings.items()))
        systemctl('daemon-reload')


def fresh():
        """All stopped, no failure remembered, no drop-in."""
        subprocess.run(['systemctl', 'stop', 'ipfs-cluster*'], capture_output=True, check=True)
        for path in filter(os.path.exists, DROP_INS):
                os.unlink(path)
        systemctl('daemon-reload')
        systemctl('reset-failed')


def forget():
        """The state belongs to the identity; with another one it is refused."""
        shutil.rmtree(STATE, ignore_errors=True)


def cleanup():
        fresh()
        told('runuser', '-u', 'ipfs-cluster', '--', 'ipfs-cluster-service', '--config', ETC, 'state', 'cleanup', '-f')


def edit(change, folder=ETC):
        with open(f'{folder}/service.json', encoding='utf-8') as f:
                config = json.load(f)
        change(config)
        with open(f'{folder}/service.json', 'w', encoding='utf-8') as f:
                json.dump(config, f)


# ---- the peer

def get(path, where=API):
        return exchange(where, 'GET', path)


def ok(method, path, where=API, **options):
        response = exchange(where, method, path, **options)
        assert response.status == 200, f'{method} {path}: {response}'
        return response.json()


def owner(path):
        st = os.stat(path)
        return pwd.getpwuid(st.st_uid).pw_name, oct(st.st_mode & 0o777)


# ---- bus

class SystemBus(Bus):
        def __init__(self):
                if not os.path.exists(POLICY):
                        raise Skip(f'this build has another prefix than /usr: there is no {POLICY}')
                super().__init__(ADDRESS, {})


# ---- journal

def message_ids():
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'daemon', 'base', 'message-ids.h')
        with open(path, encoding='utf-8') as f:
                return dict(re.findall(r'MESSAGE_ID_([A-Z_]+) "MESSAGE_ID=(\w+)"', f.read()))


def messages(name):
        return journal(f'MESSAGE_ID={message_ids()[name]}')


def explained(name):
        return told('journalctl', '--no-pager', '--boot', '--catalog', f'--unit={UNIT}', f'MESSAGE_ID={message_ids()[name]}', '--lines=1')
