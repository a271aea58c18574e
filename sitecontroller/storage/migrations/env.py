"""What alembic runs: the revisions, on the connection that `startup` hands over.

The transaction is the caller's, tables and version row together: a revision that fails leaves
nothing behind.
"""

from alembic import context

from sitecontroller.storage.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
