"""private_bus.py: a dbus-daemon of one's own, which stands for the system bus and for the user's."""
import os
import shutil
import subprocess

from cluster_test import Skip

SERVICE = '[D-BUS Service]\nName={name}\nExec={command}\n'
CONFIG = '''<busconfig>
 <type>session</type>
 <listen>{address}</listen>
 <servicedir>{services}</servicedir>
 <policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>
'''


class DBusDaemon:
        def __init__(self, folder):
                if not shutil.which('dbus-daemon'):
                        raise Skip('no dbus-daemon here')
                self.folder, self.process = folder, None
                self.address = f'unix:path={folder}/bus'
                self.services = os.path.join(folder, 'bus-services')
                self.env = {'DBUS_SYSTEM_BUS_ADDRESS': self.address, 'DBUS_SESSION_BUS_ADDRESS': self.address}
                os.makedirs(self.services, exist_ok=True)
                with open(os.path.join(folder, 'bus.conf'), 'w', encoding='ascii') as f:
                        f.write(CONFIG.format(address=self.address, services=self.services))
                self.start()

        def start(self):
                self.process = subprocess.Popen(['dbus-daemon', '--nofork', '--nosyslog', '--print-address', f'--config-file={self.folder}/bus.conf'],
                                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
                assert self.process.stdout.readline()

        def stop(self):
                self.process.kill()
                self.process.wait()
                self.process.stdout.close()

        def activatable(self, name, command):
                """From the next start on, the bus runs COMMAND for who calls NAME."""
                with open(os.path.join(self.services, f'{name}.service'), 'w', encoding='ascii') as f:
                        f.write(SERVICE.format(name=name, command=command))
