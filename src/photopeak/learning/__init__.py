"""Better weights: the loop, how a network is taught, splits that cannot leak, augmentation, bundles."""
