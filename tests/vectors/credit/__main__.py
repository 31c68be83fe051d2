"""`python tests/vectors/credit` writes the golden vectors anew; see `generate`."""

import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[3]


def import_tests() -> None:
    """Let `tests` be this repository's folder: a distribution brings a package of that name."""
    tests = ModuleType("tests")
    tests.__path__ = [str(ROOT / "tests")]
    sys.modules["tests"] = tests
    sys.path[0] = str(ROOT)


def main() -> None:
    """As `generate.write`."""
    import_tests()
    from tests.vectors.credit import generate

    generate.write()


if __name__ == "__main__":
    main()
