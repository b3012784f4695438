"""The agent: rows of many streams in, answers, decisions, alarms and a store out, in one process, without a network."""
