"""examples/ner_highlight.py, with a tiny random model in place of a trained one."""

import re
import subprocess
import sys
from pathlib import Path

from tiny import write_model

SCRIPT = Path(__file__).parent.parent / "examples" / "ner_highlight.py"


def run(*arguments, **options):
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        **options,
    )


def test_entities_are_marked_and_the_text_stays(tmp_path):
    model = write_model(
        tmp_path, head="token_classification", labels=("O", "B-PER", "I-PER", "LOC"), seed=3
    )
    text = "the cat, 忘记密码 🎉 and hello my dog " * 9
    given = run(model, text)
    assert given.returncode == 0, given.stderr
    assert "\x1b[41m" in given.stdout
    unmarked = re.sub(r" \[(PER|LOC)\]\x1b\[0m|\x1b\[\d+m", "", given.stdout)
    assert unmarked == text + "\n"
    assert run(model, input=text).stdout == given.stdout


def test_usage():
    assert "MODEL [TEXT]" in run().stderr
