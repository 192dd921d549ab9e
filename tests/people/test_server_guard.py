"""What strangers try: other hosts and origins, no token, paths, bodies, captions. It gets nowhere."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from browser import browser
from small_study import JSON, MakeStudy, Server

from sopo.people.guard import LARGEST

HOSTILE = "</script><script>document.documentElement.dataset.error='owned'</script><img src=x onerror=alert(1)>"
Serve = Callable[..., Server]


def test_strangers_get_nowhere(make_study: MakeStudy, serve: Serve, tmp_path: Path) -> None:
    """One server for all tries, as it takes seconds to start."""
    study = make_study(4, caption=HOSTILE)
    (study.folder / "secret.txt").write_text("secret")
    server = serve("label", "serve", str(study.folder))
    assert server.host == "127.0.0.1" and "token" not in server.link
    own = f"http://127.0.0.1:{server.port}"

    for host in (
        "evil.example",
        f"evil.example:{server.port}",
        "127.0.0.1.evil.example",
        "192.168.0.7",
        "",
        "[",
        "a@b",
    ):
        for method, path in (("GET", "/"), ("GET", "/page.js"), ("POST", "/begin")):
            assert server.ask(method, path, {"name": "Eve"}, {"Host": host})[0] == 421, host
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://localhost:{server.port}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": own},
    ):
        assert server.ask("POST", "/begin", {"name": "Eve"}, headers)[0] == 403, headers
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        assert server.ask("POST", "/begin", {"name": "Eve"}, {"Content-Type": kind})[0] == 415
    assert server.ask("GET", "/begin")[0] == 405 and server.ask("PUT", "/begin", {}, JSON)[0] == 405

    for path in ("/../study.db", "/%2e%2e/secret.txt", "/motions/0.npy", "//etc/passwd", "/page.js/../../secret.txt",
                 "/study.db", "/..%2f..%2fetc%2fpasswd", "/page.css%00.txt", "/\\..\\secret.txt"):  # fmt: skip
        status, _, content = server.ask("GET", path)
        assert status in (400, 404) and b"secret" not in content, path

    assert server.ask("POST", "/begin", b"{" + b" " * LARGEST)[0] == 413
    assert server.ask("POST", "/begin", None, {"Content-Length": "99999999999999999999"})[0] in (400, 413)
    assert _in_pieces(server.port) in (413, None)  # told, or cut off
    for body in (
        b"",
        b"[]",
        b"{",
        b'{"name": 7}',
        b"\xff",
        b"[" * 9000,
        b'{"name": "a", "name": "b"}',
        b'{"name": ""}',
    ):
        status, _, content = server.ask("POST", "/begin", body)
        assert status == 400 and json.loads(content)["error"], body
    wrong = [(0, "left", 1), (True, "left", 1), (10**30, "left", 1), (1, "a", 1), (1, ["left"], 1), (1, "left", "1")]
    for question, answer, seconds in (*wrong, (1, "left", 1e400), (None, None, None)):
        told = server.post("/answer", name="Eve", question=question, answer=answer, seconds=seconds)
        assert told["status"] == 400 and told["error"], (question, answer, seconds)
    assert study.store.labels() == []

    status, headers, content = server.ask("GET", "/")
    assert status == 200 and "script-src 'self';" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff" and b"http" not in content
    told = server.post("/begin", name="Ann")
    assert told["question"]["caption"].startswith(HOSTILE)
    assert not {"source", "expected", "kind", "motion_a"} & set(json.dumps(told).split('"'))
    assert "base" not in told["question"]["motions"].keys() | told["question"].keys()

    with browser(tmp_path / "profile") as tab:
        tab.go(own)
        tab.write("Ann")
        tab.press("Enter", 13)
        tab.wait("document.querySelector('.asked').textContent.startsWith('</script>')")
        assert tab.run("document.documentElement.dataset.error") is None and tab.run("document.images.length") == 0
        assert not tab.trouble


def _in_pieces(port: int) -> int | None:
    """The status of a body without a length that does not end; None if the line is cut."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as line:
        head = f"POST /begin HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        try:
            line.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
            for _ in range(64):
                line.sendall(b"400\r\n" + b" " * 1024 + b"\r\n")
            answer = line.recv(64)
        except OSError:
            return None
    return int(answer.split()[1]) if answer else None


def test_opened_to_others_it_asks_for_a_token(make_study: MakeStudy, serve: Serve, tmp_path: Path) -> None:
    study = make_study(4)
    server = serve("label", "serve", str(study.folder), "--host", "0.0.0.0", "--hosts", '["studies.example"]')
    assert server.link.startswith("http://studies.example:") and study.store.token() in server.link
    token = study.store.token()
    for path in ("/", "/page.js", "/?token=", f"/?token={token[:-1]}", f"/?token={token}x"):
        assert server.ask("GET", path)[0] == 401, path
    assert server.ask("POST", f"/begin?token={token}", {"name": "Eve"})[0] == 401
    assert server.ask("GET", "/", None, {"Host": "evil.example"})[0] == 421
    status, headers, _ = server.ask("GET", f"//evil.example?token={token}")
    assert status == 303 and headers["location"] == "/"
    assert "httponly" in headers["set-cookie"].lower() and "samesite=lax" in headers["set-cookie"].lower()
    cookie = {"Cookie": headers["set-cookie"].partition(";")[0]}
    for host in ("studies.example", f"192.168.0.7:{server.port}", "[fe80::1]:80"):
        assert server.ask("GET", "/", None, cookie | {"Host": host})[0] == 200, host
    assert server.ask("POST", "/begin", {"name": "Ann"}, cookie)[0] == 200
    assert server.ask("POST", "/begin", {"name": "Ann"}, cookie | {"Origin": "http://evil.example"})[0] == 403
    with browser(tmp_path / "profile") as tab:
        tab.go(f"http://127.0.0.1:{server.port}/?token={token}")
        assert tab.run("location.search") == ""  # it does not stay in the history
        tab.write("Ben")
        tab.press("Enter", 13)
        tab.wait("document.documentElement.dataset.question")
        assert not tab.trouble


@pytest.mark.parametrize(
    ("flags", "says"), [(["--host", "no.such.host.invalid"], "cannot listen"), (["--host", ""], "host")]
)
def test_addresses_that_cannot_be_had(
    make_study: MakeStudy, flags: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from sopo.cli.main import main

    with pytest.raises(SystemExit, match="2"):
        main(["label", "serve", str(make_study(1).folder), *flags])
    assert says in capsys.readouterr().err
