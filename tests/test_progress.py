import io
import sys

from fastbert.progress import progress


def test_last_line_shows_the_whole(capsys):
    with progress(2000, description="encoding") as bar:
        for _ in range(20):
            bar.update(100)
    last = capsys.readouterr().err.split("\r")[-1]
    assert "encoding [####################] 2,000/2,000 texts, " in last
    assert last.endswith("texts/s\x1b[K\n")


def test_redraws_are_rare(capsys):
    with progress(100_000) as bar:
        for _ in range(100_000):
            bar.update(1)
    assert capsys.readouterr().err.count("\r") < 100


def test_disabled_bar_only_counts(capsys):
    with progress(3, enabled=False) as bar:
        bar.update(2)
    assert bar.done == 2
    assert capsys.readouterr().err == ""


def test_nothing_to_do_is_complete(capsys):
    with progress(0):
        pass
    assert "0/0" in capsys.readouterr().err


def test_bar_survives_a_lost_terminal(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with progress(2) as bar:
        stream.close()
        bar.update(2)
    assert bar.done == 2


def test_bar_survives_a_missing_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    with progress(2) as bar:
        bar.update(2)
    assert bar.done == 2
