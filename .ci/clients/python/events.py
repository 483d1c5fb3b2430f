"""Runs the tests beside it and writes their results as the events of go test -json."""

import json
import sys
import time
import unittest

PACKAGE = "keytrail.test/clients/python"


def event(action, test=None, **more):
    print(json.dumps({"Action": action, "Package": PACKAGE, **({"Test": test} if test else {}), **more}), flush=True)


class Events(unittest.TestResult):
    def startTest(self, test):
        super().startTest(test)
        self.began, self.ended = time.monotonic(), False
        event("run", self.name(test))

    def name(self, test):
        return test.id().removeprefix("boto3_test.")

    def end(self, action, test, text=""):
        self.ended = True
        for line in text.splitlines():
            event("output", self.name(test), Output=line)
        event(action, self.name(test), Elapsed=time.monotonic() - self.began)

    def addSuccess(self, test):
        self.end("pass", test)

    def addSkip(self, test, reason):
        self.end("skip", test, reason)

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self.end("fail", test, self.failures[-1][1])

    def addError(self, test, error):
        super().addError(test, error)
        if isinstance(test, unittest.TestCase):
            self.end("fail", test, self.errors[-1][1])
        else:  # the file, or what it sets up
            event("output", "setup", Output=self.errors[-1][1])
            event("fail", "setup")


result = Events()
began = time.monotonic()
unittest.defaultTestLoader.loadTestsFromName("boto3_test").run(result)
event("pass" if result.wasSuccessful() else "fail", Elapsed=time.monotonic() - began)
sys.exit(not result.wasSuccessful())
