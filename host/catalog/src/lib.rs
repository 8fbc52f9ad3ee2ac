//! Typed records, transactions, migrations and the lineage graph on SurrealDB.
