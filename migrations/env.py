"""What Alembic runs: the migrations of `versions/`, on the connection `api.migration` hands in.

The caller holds the transaction, so that a migration is there whole or not at all, and one process
at a time migrates: both databases put table definitions under their transactions.
"""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
