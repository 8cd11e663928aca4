"""Runs kafka-python's integration tests out of its unpacked sdist, the first argument. Prints a line for each test as Rust's test
harness does. Further arguments are pytest's."""

import os
import sys
import types

import pytest

root = os.path.abspath(sys.argv[1])
os.chdir(root)
sys.path.insert(0, root)
# The fixtures look for Apache Kafka here, also where they need none.
os.environ["KAFKA_ROOT"] = os.path.join(root, "servers")

# The sdist's directory `test` is no package, so that Python's own `test` would hide it.
package = types.ModuleType("test")
package.__path__ = [os.path.join(root, "test")]
sys.modules["test"] = package

# The sdist leaves out `test/service.py`, of which the fixtures want these two. A broker that runs elsewhere needs nothing done, and no
# other can be started here.
service = types.ModuleType("test.service")


class ExternalService:
    def __init__(self, host, port):
        self.host, self.port = host, port

    def open(self):
        pass

    def close(self):
        pass

    def stop(self):
        pass


class SpawnedService:
    def __init__(self, *arguments):
        raise RuntimeError("no broker can be started here")


service.ExternalService, service.SpawnedService = ExternalService, SpawnedService
sys.modules["test.service"] = service


class Lines:
    """Prints a test's line once all its phases are known: it fails where any of them does."""

    def __init__(self):
        self.said = "ok"

    def pytest_runtest_logstart(self):
        self.said = "ok"

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.said = "FAILED"
        elif report.skipped and self.said == "ok":
            self.said = "ignored"

    def pytest_runtest_logfinish(self, nodeid):
        name = nodeid.removeprefix("test/integration/").replace(".py::", "::")
        print(f"\ntest {name} ... {self.said}", flush=True)


options = ["test/integration", "--timeout", "60", "--tb", "short", "--show-capture", "no", "-p", "no:cacheprovider"]
sys.exit(pytest.main([*options, *sys.argv[2:]], plugins=[Lines()]))
