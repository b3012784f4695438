"""What answers and what decides: executor, native modules, processor, objects and alarms."""
