#!/usr/bin/env python3
"""boot.py SOURCE BUILD PROGRAM [ARGUMENT...]: boot a throw-away systemd with this build installed, and run PROGRAM in it.

The system is an overlay over the files of this host, in memory; `meson install` puts the build into it, systemd-nspawn
boots it, with a network of its own. PROGRAM runs as a service of it, as root, sees the sources at /run/source, and is
answered for: its output and its status are this program's. Nothing remains: mounts and processes are in namespaces of
this program. Skips with the reason where that is not possible.
"""
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

TIMEOUT = 240
INSIDE = 'IPFS_CLUSTER_TEST_IN_NAMESPACE'
SERVICE = '''[Unit]
After=basic.target dbus.socket
Wants=basic.target dbus.socket
SuccessAction=exit
FailureAction=exit
[Service]
Type=oneshot
{environment}
ExecStart={command}
StandardOutput=file:/run/out/stdout
StandardError=inherit
'''
TARGET = '[Unit]\nRequires=basic.target\nWants=under-test.service\nAllowIsolate=yes\n'
STATE = 'IPFS_CLUSTER_TEST_STATE'  # a folder of this host in place of /var/lib/ipfs-cluster
PASSED_ON = ('PATH', 'PYTHONDONTWRITEBYTECODE', 'IPFS_CLUSTER_TEST_PATIENCE')


def skip(reason):
        print(f'1..0 # SKIP {reason}', flush=True)
        sys.exit(0)


def check():
        if os.geteuid() != 0:
                skip('needs root')
        for program in ('systemd-nspawn', 'unshare', 'meson'):
                if not shutil.which(program):
                        skip(f'{program} is not installed')


def enter_namespaces():
        """Once more, where mounts and processes end with us."""
        if INSIDE not in os.environ:
                os.environ[INSIDE] = '1'
                unshare = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc']
                if subprocess.run([*unshare, 'true'], capture_output=True).returncode:
                        skip('namespaces cannot be made here')
                os.execvp('unshare', [*unshare, sys.executable, *sys.argv])


def mount(*arguments):
        done = subprocess.run(['mount', *arguments], capture_output=True, text=True)
        if done.returncode:
                skip(f'mount {" ".join(arguments)}: {done.stderr.strip()}')


def write(root, path, text=''):
        path = os.path.join(root, path.lstrip('/'))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w', encoding='utf-8') as f:
                f.write(text)


def make_root(folder, build):
        mount('-t', 'tmpfs', '-o', 'size=1g', 'tmpfs', folder)
        upper, work, root, out = (os.path.join(folder, n) for n in ('upper', 'work', 'root', 'out'))
        for path in (upper, work, root, out):
                os.mkdir(path)
        mount('-t', 'overlay', 'overlay', '-o', f'lowerdir=/,upperdir={upper},workdir={work}', root)
        subprocess.run(['meson', 'install', '-C', build, '--no-rebuild', '--quiet', '--destdir', root], check=True,
                       stdout=subprocess.DEVNULL)
        write(root, '/etc/machine-id')
        for command in (['systemd-sysusers'], ['journalctl', '--update-catalog']):
                subprocess.run(['chroot', root, *command], check=True, capture_output=True)
        return root, out


def environment():
        return '\n'.join(f'Environment="{n}={os.environ[n]}"' for n in PASSED_ON if n in os.environ)


def name_of(folder):
        """Of the machine and its cgroup; what mkdtemp() makes up may not stand in a host name."""
        return 'ipfs-cluster-' + re.sub('[^a-z0-9]', '0', folder.rpartition('-')[2])


def remove_cgroup(path):
        """The last processes of the container may still be leaving it."""
        for _ in range(50):
                subprocess.run(['find', path, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', ';'], capture_output=True)
                if not os.path.exists(path):
                        return
                time.sleep(0.02)


@contextlib.contextmanager
def own_cgroup(name):
        """Else all containers of the host share one, and systemd in them cannot tell their services apart."""
        parents = [p for p in ('/sys/fs/cgroup/systemd', '/sys/fs/cgroup/unified') if os.path.isdir(p)]
        own = [os.path.join(p, name) for p in parents]
        for path in own:
                with contextlib.suppress(OSError):
                        os.mkdir(path)
        yield [os.path.join(p, 'cgroup.procs') for p in own]
        for path in own:
                remove_cgroup(path)


def join(files):
        for path in files:
                with contextlib.suppress(OSError), open(path, 'w', encoding='ascii') as f:
                        f.write('0')


def boot(name, root, out, source, cgroups):
        command = ['systemd-nspawn', '--quiet', '--directory', root, '--machine', name,
                   '--register=no', '--keep-unit', '--private-network', '--console=pipe', f'--bind={out}:/run/out',
                   f'--bind-ro={source}:/run/source', '--boot', 'systemd.unit=under-test.target', 'systemd.show_status=0']
        if STATE in os.environ:
                command.insert(-3, f'--bind={os.environ[STATE]}:/var/lib/ipfs-cluster')
        with open(os.path.join(out, 'console'), 'wb') as console:
                try:
                        return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, timeout=TIMEOUT,
                                              preexec_fn=lambda: join(cgroups)).returncode
                except subprocess.TimeoutExpired:
                        print(f'# not over after {TIMEOUT} s')
                        return 1


def show(out):
        path = os.path.join(out, 'stdout')
        if os.path.exists(path):
                with open(path, encoding='utf-8', errors='replace') as f:
                        sys.stdout.write(f.read())
        else:
                with open(os.path.join(out, 'console'), encoding='utf-8', errors='replace') as f:
                        print('not ok 1 boots\n' + ''.join(f'# {l}' for l in f))


def main():
        source, build, program, arguments = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
        check()
        enter_namespaces()
        folder = tempfile.mkdtemp(prefix='ipfs-cluster-test-')
        try:
                root, out = make_root(folder, build)
                inside = os.path.join('/run/source', os.path.relpath(program, source))
                command = ' '.join([sys.executable, inside, *arguments])
                write(root, '/etc/systemd/system/under-test.service', SERVICE.format(command=command, environment=environment()))
                write(root, '/etc/systemd/system/under-test.target', TARGET)
                with own_cgroup(name_of(folder)) as cgroups:
                        status = boot(name_of(folder), root, out, source, cgroups)
                show(out)
                sys.exit(status)
        finally:
                subprocess.run(['umount', '-R', os.path.join(folder, 'root'), folder], capture_output=True)
                subprocess.run(['umount', '-l', folder], capture_output=True)
                os.rmdir(folder)


main()
