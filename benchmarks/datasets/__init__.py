"""Public sets that only benchmarks read; those register them with `edgewright.data.public.register_sets`."""
