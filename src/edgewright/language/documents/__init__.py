"""Documents on the desk: readers, the index, questions by words and vectors, phrased answers held to account."""
