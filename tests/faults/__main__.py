"""`python tests/faults`, which is what `./xin faults` runs; see `campaign`."""

import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]


def import_tests() -> None:
    """Let `tests` be this repository's folder: a distribution brings a package of that name."""
    tests = ModuleType("tests")
    tests.__path__ = [str(ROOT / "tests")]
    sys.modules["tests"] = tests
    sys.path[0] = str(ROOT)


def main() -> int:
    """As `campaign.main`."""
    import_tests()
    from tests.faults import campaign

    return campaign.main()


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except KeyboardInterrupt:
        raise SystemExit(130) from None
