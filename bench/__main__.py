"""`python -m bench NAME [options]`: runs a bench, or lists them. `./watchkeeper bench` comes here."""

import ast
import importlib
import logging
import sys
from pathlib import Path

from config.console import CannotStart, say
from tests.running import NotRunning


def main(arguments: list[str]) -> int:
    """Run the bench that is named; none: list them. Returns the exit code."""
    known = benches()
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: ./watchkeeper bench NAME [options]\n")
        print("\n".join(f"{name:<12} {says}" for name, says in known.items()))
        return 0
    name, *options = arguments
    if name not in known:
        say(f"there is no bench {name!r}; there are {', '.join(known)}")
        return 2
    logging.disable(logging.WARNING)
    try:
        importlib.import_module(f"bench.{name}").main(options)
    except (CannotStart, NotRunning) as error:
        say(str(error))
        return 1
    return 0


def benches() -> dict[str, str]:
    """Each module here that has a `main`, and the first line of what it says of itself."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        tree = ast.parse(path.read_text())
        if any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body):
            found[path.stem] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
