"""One file a kind of augmentation of training windows."""
