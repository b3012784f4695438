"""Where rows come from: one file a source, the public sets, and the splits that keep people apart."""
