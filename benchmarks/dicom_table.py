"""What Photopeak makes of every public scan at hand.

Written to tests/dicom/expected_outcomes.json and docs/reference/dicom-files.md by

    benchmarks/run dicom_table

Run it, read the difference it makes, and commit it where it is right.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from harness import ROOT

sys.path.insert(0, str(ROOT))

HEAD = """# What happens to real files

Made by `benchmarks/run dicom_table` from public scans that lie beside the checkout on some machines; none of
them is part of Photopeak. `tests/dicom/test_real_files.py` checks that every file does what stands here, by its hash.
A file is read, or refused with the tag and the reason; *with* says what a fact stated by the user changes.

| file | outcome |
| --- | --- |
"""


def main() -> None:
    from tests.dicom.real_files import EXPECTED, digest, outcome, units

    rows, found = [], {}
    with tempfile.TemporaryDirectory() as work:
        for name, path in units(ROOT.parent / "shared" / "data", Path(work)):
            got = outcome(path)
            found[digest(path)] = {"file": name, **got}
            rows.append(f"| {name} | {_cell(got)} |")
    EXPECTED.write_text(json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
    (ROOT / "docs" / "reference" / "dicom-files.md").write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")
    print(f"{len(found)} files and series; read the differences before you commit them")


def _cell(got: dict[str, str]) -> str:
    text = f"reads: {got['reads']}" if "reads" in got else f"refused `{got['refused']}`: {got['because']}"
    if "with" in got:
        text += f" *With* `--assume {got['with']}`: {got['then']}"
    return text.replace("|", "\\|").replace("{counts}", "counts")
