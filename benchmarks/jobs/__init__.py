"""Jobs beside simple peers on the same split: the best of scikit-learn, and MiniRocket for windows."""
