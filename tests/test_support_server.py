"""A server process starts, answers, and its end is noticed. The commands here stand in for the product's."""

import sys
from pathlib import Path

import httpx2
import pytest
from support.server import running, start

ANSWERS = """
import http.server, os
class Healthy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print("asked", self.path, os.environ.get("LLMOPS_X"))
        self.send_response(200); self.end_headers(); self.wfile.write(b"ok")
http.server.HTTPServer(("127.0.0.1", {port}), Healthy).serve_forever()
"""


def test_running_server_answers_and_keeps_a_log(tmp_path: Path) -> None:
    command = (sys.executable, "-c", ANSWERS)
    with running({"LLMOPS_X": "1"}, log_file=tmp_path / "log", command=command) as server:
        assert httpx2.get(server.url + "/hello").text == "ok"
        assert "asked /hello 1" in server.log
    assert server.process.returncode == -15


def test_developers_variables_stay_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMOPS_X", "from the shell")
    with running({}, log_file=tmp_path / "log", command=(sys.executable, "-c", ANSWERS)) as server:
        assert "asked /healthz None" in server.log


def test_server_that_ends_at_once_is_reported_with_its_words(tmp_path: Path) -> None:
    command = (sys.executable, "-c", "import sys; sys.exit('no database')")
    with pytest.raises(AssertionError, match="ended with 1\nno database"):
        start({}, log_file=tmp_path / "log", command=command)
