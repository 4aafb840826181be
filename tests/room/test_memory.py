"""A server's memory does not grow with the images that went through it."""

from __future__ import annotations

import subprocess
import sys

import pytest

GROWTH = """
import sys, threading, time
from photopeak.room.memory import give_back

def resident_mb():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6

def read_images():
    for _ in range(12):
        image = bytearray(2**20)
        kept.append(bytes(2000))  # something small that stays, above the image
        del image
        time.sleep(0.001)

if sys.argv[1] == "yes" and not give_back():
    sys.exit(77)
kept, before = [], resident_mb()
for _ in range(2):
    readers = [threading.Thread(target=read_images) for _ in range(12)]
    for r in readers: r.start()
    for r in readers: r.join()
print(resident_mb() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_was_freed_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", GROWTH, "yes"], capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.skip("the C library is not glibc")
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 3.0  # of 288 MB that went through


LEFT_ALONE = """
import gc, weakref
from photopeak.room.memory import leave_alone

class Ring:
    def __init__(self):
        self.itself = self

leave_alone()
assert gc.collect() == 0 and gc.get_freeze_count() > 1000 and len(gc.get_objects()) < 1000
late = weakref.ref(Ring())
gc.collect()
assert late() is None
"""


def test_garbage_is_looked_for_among_what_is_new() -> None:
    done = subprocess.run([sys.executable, "-c", LEFT_ALONE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
