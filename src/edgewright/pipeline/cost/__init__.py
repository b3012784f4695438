"""What a run and its model cost: time, processor and bytes, before and after."""
