"""From a label project to a small model: students of several sizes on its audited labels, and the one that ships."""
