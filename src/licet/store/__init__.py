"""Floor 2: the only room that opens the SQL database, the lake or objects; functions are named by their question."""
