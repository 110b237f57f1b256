"""tree.py: what every lint asks first: the files of the project, and how to report."""
import os
import subprocess
import sys


def files(root):
        """All files of the project, relative to ROOT: what git tracks or would track, else what lies there."""
        git = ['git', '-C', root, 'ls-files', '-z', '--cached', '--others', '--exclude-standard']
        try:
                out = subprocess.run(git, capture_output=True, check=True).stdout.decode()
                names = [n for n in out.split('\0') if n]
        except (OSError, subprocess.CalledProcessError):
                names = list(walk(root))
        return sorted({n for n in names if os.path.isfile(os.path.join(root, n))})


def walk(root):
        for base, folders, names in os.walk(root):
                folders[:] = [f for f in folders if f != '.git' and f != '__pycache__' and not is_build(base, f)]
                for name in names:
                        yield os.path.relpath(os.path.join(base, name), root)


def is_build(base, folder):
        return os.path.exists(os.path.join(base, folder, 'meson-private'))


def sources(root, *endings):
        return [f for f in files(root) if f.endswith(endings or ('.c', '.h'))]


def read(root, name):
        with open(os.path.join(root, name), encoding='utf-8', errors='replace') as f:
                return f.read()


def listing(root, name):
        """The lines of a list: `key words…`, # begins a comment. A pair (key, words) each."""
        for line in read(root, name).splitlines():
                line = line.split('#')[0].strip()
                if line:
                        key, _, words = line.partition(' ')
                        yield key, words.strip()


def report(complaints, ok):
        complaints = list(complaints)
        print('\n'.join(complaints) or f'ok: {ok}')
        sys.exit(1 if complaints else 0)
