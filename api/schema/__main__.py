"""`python -m api.schema`: print the schema of every tier beside this package."""

import sys

from api.schema.schemas import print_all

for path in print_all():
    sys.stdout.write(f"{path}\n")
