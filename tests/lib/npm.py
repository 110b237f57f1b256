"""npm.py: clients that others wrote in JavaScript, got by npm when a test runs. Skipped with the reason where there is no
npm, or it cannot get the package."""
import json
import os
import shutil
import subprocess

from cluster_test import Skip

INSTALL_SECONDS = 120
RUN_SECONDS = 120


def install(bench, package):
        """A folder in which PACKAGE can be imported."""
        if not shutil.which('npm') or not shutil.which('node'):
                raise Skip('there is no npm')
        folder = os.path.join(bench.folder, 'js')
        os.mkdir(folder)
        try:
                done = subprocess.run(['npm', 'install', '--no-audit', '--no-fund', '--ignore-scripts', '--prefix', folder, package], cwd=folder,
                                      env={**os.environ, 'HOME': bench.folder}, capture_output=True, text=True, timeout=INSTALL_SECONDS)
        except subprocess.TimeoutExpired:
                raise Skip(f'npm did not get {package} in {INSTALL_SECONDS} s') from None
        if done.returncode:
                raise Skip(f'npm cannot get {package}: {done.stderr.strip().splitlines()[:1]}')
        return folder


def play(folder, program, *arguments):
        """Run the text of a module; the JSON that it writes."""
        with open(os.path.join(folder, 'program.mjs'), 'w', encoding='utf-8') as f:
                f.write(program)
        done = subprocess.run(['node', 'program.mjs', *arguments], cwd=folder, capture_output=True, text=True, timeout=RUN_SECONDS)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)
